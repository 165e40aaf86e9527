// One step of a GPT on a processor: many rows, each the newest character of some text, to logits.
//
// Compiled when first needed, for this processor and for the shape of the network (see native.py). Every number of a row is
// summed in an order that depends on the row alone, so a text is the same to the bit whatever else is in the batch.
//
// From the compiler's command line: LAYERS, WIDTH, HEADS, KV_HEADS, HEAD (size), HIDDEN, VOCABULARY, CONTEXT, RING, ROWS and
// BFLOAT (1: activations are rounded to bfloat16 where they meet the weights, which are bfloat16 in any case).

#include <math.h>
#include <stdint.h>
#include <string.h>
#if BFLOAT
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { LANES = 16, STRIP = 64 };  // numbers in a vector; columns of a matrix that are multiplied together
#else
enum { LANES = 8, STRIP = 16 };  // half as wide, and half as many registers
#endif

enum {
    PANEL = 64,                                // columns of a matrix that lie together: a strip or several
    BLOCK = 6,                                 // rows that are multiplied together: their sums fill the vector registers
    SPAN = 32,                                 // entries of the cache that are scored together
    GROUP = HEADS / KV_HEADS,                  // query heads of a key/value head
    QUERIES = HEADS * HEAD,
    HEADED = (HEADS + 2 * KV_HEADS) * HEAD,    // queries, keys and values
    LETTERS = (VOCABULARY + 15) / 16 * 16,     // whole vectors of either width
};

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t Whole __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES), aligned(2), may_alias));

static inline Vector load(const float *from) { return *(const Vector *)from; }
static inline void store(float *to, Vector x) { *(Vector *)to = x; }
static inline Vector greater(Vector a, Vector b) {
    Whole first = a > b;
    return (Vector)(((Whole)a & first) | ((Whole)b & ~first));
}
static inline float sum(Vector x) {
    float total = 0;
    for (int i = 0; i < LANES; i++) total += x[i];
    return total;
}

// exp(x) to about float's precision: 2^n times the series of exp(r), |r| <= ln(2) / 2.
static inline Vector exponential(Vector x) {
    x = greater(x, (Vector){} - 87.0f);
    Vector n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;  // adding 1.5 * 2^23 rounds to a whole number
    Vector r = x - n * 0.693359375f + n * 2.12194440e-4f;      // ln(2) in two parts, the first of which is exact
    Vector series = r * (1 / 720.0f) + 1 / 120.0f;
    series = series * r + 1 / 24.0f;
    series = series * r + 1 / 6.0f;
    series = series * r + 0.5f;
    series = series * r + 1.0f;
    series = series * r + 1.0f;
    return (Vector)((Whole)series + (__builtin_convertvector(n, Whole) << 23));
}

// Matrices lie in panels of some columns; a panel holds, for each pair of inputs, the pairs of its columns. Weights are
// bfloat16; what meets them, and what the cache holds, is bfloat16 or float.

#if BFLOAT
typedef uint16_t Cached;
typedef uint32_t Pair;
enum { NEXT = 2, ODD = 1 };  // in a vector of pairs: how far the next column is, and a pair's odd number
static inline void narrow(Pair *to, Vector x) { *(Halves *)to = (Halves)_mm512_cvtneps_pbh((__m512)x); }
static inline Vector multiply_add(Vector total, Pair x, Bits weights) {
    return (Vector)_mm512_dpbf16_ps((__m512)total, (__m512bh)_mm512_set1_epi32((int)x), (__m512bh)weights);
}
static inline Vector multiply_add_cached(Vector total, Pair x, const Cached *pairs) {
    return multiply_add(total, x, *(const Bits *)pairs);
}
#else
typedef float Cached;
typedef struct {
    float even, odd;
} Pair;
enum { NEXT = 1, ODD = LANES };
static inline void narrow(Pair *to, Vector x) { store((float *)to, x); }
static inline Vector multiply_add(Vector total, Pair x, Bits weights) {
    total += x.even * (Vector)(weights << 16);
    total += x.odd * (Vector)(weights & 0xffff0000u);
    return total;
}
static inline Vector multiply_add_cached(Vector total, Pair x, const Cached *pairs) {
    total += x.even * load(pairs);
    total += x.odd * load(pairs + LANES);
    return total;
}
#endif

static inline __attribute__((always_inline)) void multiply_block(
    const int rows, int inner, const Pair *x, const Bits *weights, int columns, float *y, int outer, int add) {
    Vector totals[BLOCK][STRIP / LANES] = {};
    for (int k = 0; k < inner / 2; k++, weights += PANEL / LANES)
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
            for (int j = 0; j < STRIP / LANES; j++)
                totals[row][j] = multiply_add(totals[row][j], x[row * inner / 2 + k], weights[j]);
#pragma GCC unroll 6
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int j = 0; j < STRIP / LANES; j++) {
            float *to = y + row * outer + j * LANES;
            if (j * LANES < columns) store(to, add ? load(to) + totals[row][j] : totals[row][j]);
        }
}

// y (rows, outer) = or += x (rows, inner) times a matrix; returns the address behind the matrix.
static const Bits *multiply(int rows, int inner, const Pair *x, const Bits *weights, int outer, float *y, int add) {
    for (int column = 0; column < outer; column += STRIP) {
        const Bits *strip = weights + (column / PANEL * inner / 2 * PANEL + column % PANEL) / LANES;
        for (int row = 0; row < rows; row += BLOCK) {
            const Pair *from = x + row * inner / 2;
            float *to = y + row * outer + column;
            int columns = outer - column;
            switch (rows - row) {
                case 1: multiply_block(1, inner, from, strip, columns, to, outer, add); break;
                case 2: multiply_block(2, inner, from, strip, columns, to, outer, add); break;
                case 3: multiply_block(3, inner, from, strip, columns, to, outer, add); break;
                case 4: multiply_block(4, inner, from, strip, columns, to, outer, add); break;
                case 5: multiply_block(5, inner, from, strip, columns, to, outer, add); break;
                default: multiply_block(6, inner, from, strip, columns, to, outer, add);
            }
        }
    }
    return weights + (outer + PANEL - 1) / PANEL * PANEL * (inner / 2) / LANES;
}

static float inverse_rms(const float *x, int count) {
    Vector squares = {};
    for (int i = 0; i < count; i += LANES) squares += load(x + i) * load(x + i);
    return 1.0f / sqrtf(sum(squares) / (float)count + 1e-6f);
}

static void normalise(const float *x, const float *weight, Pair *out) {
    float scale = inverse_rms(x, WIDTH);
    for (int i = 0; i < WIDTH; i += LANES) narrow(out + i / 2, load(x + i) * scale * load(weight + i));
}

// Divide a head by its root mean square and turn it by its position's angles; ``scale`` multiplies the result.
static void turn(float *head, const float *cosine, const float *sine, float scale) {
    scale *= inverse_rms(head, HEAD);
    for (int i = 0; i < HEAD / 2; i++) {
        float first = head[i] * scale, second = head[i + HEAD / 2] * scale;
        head[i] = first * cosine[i] - second * sine[i];
        head[i + HEAD / 2] = first * sine[i] + second * cosine[i];
    }
}

// The cache of a head is two matrices: keys (HEAD, RING) in panels of SPAN entries, values (RING, HEAD) in one panel.

// Where a number lies in a panel of so many columns.
static inline int place(int input, int column, int columns) {
    return input / 2 * 2 * columns + column / LANES * 2 * LANES + column % LANES * NEXT + input % 2 * ODD;
}

// Put a row's key and value of a head into the ring.
static void keep(const float *key, const float *value, int entry, Cached *keys, Cached *values) {
    Pair narrowed[HEAD];
    for (int i = 0; i < HEAD; i += LANES) narrow(narrowed + i / 2, load(key + i));
    for (int i = 0; i < HEAD; i += LANES) narrow(narrowed + (HEAD + i) / 2, load(value + i));
    const Cached *from = (const Cached *)narrowed;
    keys += entry / SPAN * SPAN * HEAD;
    for (int d = 0; d < HEAD; d++) keys[place(d, entry % SPAN, SPAN)] = from[d];
    for (int d = 0; d < HEAD; d++) values[place(entry, d, HEAD)] = from[HEAD + d];
}

// Sums (GROUP, vectors) += a row x for each head of a group, ``stride`` pairs apart, times a panel.
static inline __attribute__((always_inline)) void multiply_panel(
    const int vectors, int inner, const Pair *x, int stride, const Cached *panel, Vector totals[GROUP][vectors]) {
    for (int k = 0; k < inner / 2; k++, panel += vectors * 2 * LANES)
#pragma GCC unroll 8
        for (int h = 0; h < GROUP; h++)
#pragma GCC unroll 8
            for (int j = 0; j < vectors; j++)
                totals[h][j] = multiply_add_cached(totals[h][j], x[h * stride + k], panel + j * 2 * LANES);
}

// What the heads of a group see; the row stands at ``position``. Entries that it does not see, be they of other texts or
// empty, are numbers (see NativeDecoder.clear) and weigh nothing.
static void attend(const float *queries, const Cached *keys, const Cached *values, int position, Pair *out) {
    Pair asked[GROUP * HEAD / 2], weights[GROUP * RING / 2];
    float scores[GROUP][RING];
    int filled = position + 1 < RING ? position + 1 : RING;
    int here = position % RING;
    Whole lane;
    for (int i = 0; i < LANES; i++) lane[i] = i;
    Vector highest[GROUP];
    for (int h = 0; h < GROUP; h++) highest[h] = (Vector){} - 1e30f;
    for (int i = 0; i < GROUP * HEAD; i += LANES) narrow(asked + i / 2, load(queries + i));
    for (int panel = 0; panel < filled; panel += SPAN) {
        Vector found[GROUP][SPAN / LANES] = {};
        multiply_panel(SPAN / LANES, HEAD, asked, HEAD / 2, keys + panel * HEAD, found);
        for (int j = 0; j < SPAN / LANES; j++) {
            int entry = panel + j * LANES;
            Whole distance = here - entry - lane;
            distance += (distance < 0) & RING;
            Whole seen = (distance < CONTEXT) & (distance <= position);
            for (int h = 0; h < GROUP; h++) {
                Vector kept = (Vector)(((Whole)found[h][j] & seen) | ((Whole)((Vector){} - 1e30f) & ~seen));
                highest[h] = greater(highest[h], kept);
                store(scores[h] + entry, kept);
            }
        }
    }
    float total[GROUP];
    for (int h = 0; h < GROUP; h++) {
        float top = highest[h][0];
        for (int i = 1; i < LANES; i++) top = highest[h][i] > top ? highest[h][i] : top;
        Vector totals = {};
        for (int entry = 0; entry < filled; entry += LANES) {
            Vector score = load(scores[h] + entry);
            Vector weight = (Vector)((Whole)exponential(score - top) & (score > -1e29f));
            narrow(weights + (h * RING + entry) / 2, weight);
            totals += weight;
        }
        total[h] = sum(totals);
    }
    Vector mixed[GROUP][HEAD / LANES] = {};
    multiply_panel(HEAD / LANES, filled + 1, weights, RING / 2, values, mixed);
    for (int h = 0; h < GROUP; h++)
        for (int i = 0; i < HEAD / LANES; i++) narrow(out + (h * HEAD + i * LANES) / 2, mixed[h][i] / total[h]);
}

// silu(gate) * up
static void feed(const float *gate, Pair *out) {
    for (int i = 0; i < HIDDEN; i += LANES) {
        Vector x = load(gate + i);
        narrow(out + i / 2, x / (1.0f + exponential(-x)) * load(gate + HIDDEN + i));
    }
}

// Rows (at most ROWS) of texts; those of one text come in order and, if several, fit into the ring beside its context.
// floats: embedding (VOCABULARY, WIDTH), for each layer two norms, the last norm, HEAD / 2 rotary frequencies.
// matrices: for each layer queries-keys-values, out, gate-up and down, then the head.
// keys, values: (LAYERS, slots, KV_HEADS, RING * HEAD). logits: (rows, LETTERS).
void advance(const float *floats, const Bits *matrices, Cached *keys, Cached *values, int slots, int rows,
             const int32_t *slot, const int32_t *token, const int32_t *position, float *logits) {
    static _Thread_local float x[ROWS * WIDTH], wide[ROWS * (HEADED > 2 * HIDDEN ? HEADED : 2 * HIDDEN)];
    static _Thread_local float cosine[ROWS][HEAD / 2], sine[ROWS][HEAD / 2];
    static _Thread_local Pair operand[ROWS * (HIDDEN + WIDTH + QUERIES) / 2];
    const float *norm = floats + VOCABULARY * WIDTH, *frequencies = norm + (2 * LAYERS + 1) * WIDTH;
    for (int row = 0; row < rows; row++) {
        memcpy(x + row * WIDTH, floats + token[row] * WIDTH, WIDTH * sizeof(float));
        for (int i = 0; i < HEAD / 2; i++) {
            cosine[row][i] = cosf((float)position[row] * frequencies[i]);
            sine[row][i] = sinf((float)position[row] * frequencies[i]);
        }
    }
    for (int layer = 0; layer < LAYERS; layer++, norm += 2 * WIDTH) {
        for (int row = 0; row < rows; row++) normalise(x + row * WIDTH, norm, operand + row * WIDTH / 2);
        matrices = multiply(rows, WIDTH, operand, matrices, HEADED, wide, 0);
        for (int row = 0; row < rows; row++) {
            float *queries = wide + row * HEADED, *key = queries + QUERIES, *value = key + KV_HEADS * HEAD;
            for (int h = 0; h < HEADS; h++) turn(queries + h * HEAD, cosine[row], sine[row], 1 / sqrtf(HEAD));
            for (int g = 0; g < KV_HEADS; g++) {
                long cache = ((long)(layer * slots + slot[row]) * KV_HEADS + g) * RING * HEAD;
                turn(key + g * HEAD, cosine[row], sine[row], 1);
                keep(key + g * HEAD, value + g * HEAD, position[row] % RING, keys + cache, values + cache);
                attend(queries + g * GROUP * HEAD, keys + cache, values + cache, position[row],
                       operand + (row * QUERIES + g * GROUP * HEAD) / 2);
            }
        }
        matrices = multiply(rows, QUERIES, operand, matrices, WIDTH, x, 1);
        for (int row = 0; row < rows; row++) normalise(x + row * WIDTH, norm + WIDTH, operand + row * WIDTH / 2);
        matrices = multiply(rows, WIDTH, operand, matrices, 2 * HIDDEN, wide, 0);
        for (int row = 0; row < rows; row++) feed(wide + row * 2 * HIDDEN, operand + row * HIDDEN / 2);
        matrices = multiply(rows, HIDDEN, operand, matrices, WIDTH, x, 1);
    }
    for (int row = 0; row < rows; row++) normalise(x + row * WIDTH, norm, operand + row * WIDTH / 2);
    multiply(rows, WIDTH, operand, matrices, LETTERS, logits, 0);
}
