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

enum {
    LANES = 16,                                // numbers in a vector
    PANEL = 4 * LANES,                         // columns of a matrix that are multiplied together
    BLOCK = 6,                                 // rows likewise: 6 x 4 sums fill the vector registers
    GROUP = HEADS / KV_HEADS,                  // query heads of a key/value head
    QUERIES = HEADS * HEAD,
    HEADED = (HEADS + 2 * KV_HEADS) * HEAD,    // queries, keys and values
    LETTERS = (VOCABULARY + LANES - 1) / LANES * LANES,
};

typedef float Vector __attribute__((vector_size(64), aligned(4)));
typedef int32_t Whole __attribute__((vector_size(64), aligned(4)));
typedef uint32_t Bits __attribute__((vector_size(64), aligned(4)));
typedef uint16_t Halves __attribute__((vector_size(32), aligned(2)));

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

// Matrices: weights come in panels of 64 columns; a panel holds, for each pair of inputs, 64 pairs of bfloat16.
// What meets them, and what the cache holds, is bfloat16 or float.

#if BFLOAT
typedef uint16_t Cached;
static inline uint16_t narrow(float x) {  // bfloat16 is the upper half of a float: to the nearest, ties to even
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
static inline Vector widen(const uint16_t *from) {
    return (Vector)(__builtin_convertvector(*(const Halves *)from, Bits) << 16);
}
typedef uint32_t Pair;
static inline Pair pair(float even, float odd) { return narrow(even) | (uint32_t)narrow(odd) << 16; }
static inline Vector multiply_add(Vector total, Pair x, Bits weights) {
    return (Vector)_mm512_dpbf16_ps((__m512)total, (__m512bh)_mm512_set1_epi32((int)x), (__m512bh)weights);
}
#else
typedef float Cached;
static inline float narrow(float x) { return x; }
static inline Vector widen(const float *from) { return load(from); }
typedef struct {
    float even, odd;
} Pair;
static inline Pair pair(float even, float odd) { return (Pair){even, odd}; }
static inline Vector multiply_add(Vector total, Pair x, Bits weights) {
    total += x.even * (Vector)(weights << 16);
    total += x.odd * (Vector)(weights & 0xffff0000u);
    return total;
}
#endif

static inline __attribute__((always_inline)) void multiply_block(
    const int rows, int inner, const Pair *x, const Bits *weights, int columns, float *y, int outer, int add) {
    Vector totals[BLOCK][4] = {};
    for (int k = 0; k < inner / 2; k++, weights += 4)
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) totals[row][j] = multiply_add(totals[row][j], x[row * inner / 2 + k], weights[j]);
#pragma GCC unroll 6
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            float *to = y + row * outer + j * LANES;
            if (j * LANES < columns) store(to, add ? load(to) + totals[row][j] : totals[row][j]);
        }
}

// y (rows, outer) = or += x (rows, inner) times a matrix; returns the address behind the matrix.
static const Bits *multiply(int rows, int inner, const Pair *x, const Bits *weights, int outer, float *y, int add) {
    for (int column = 0; column < outer; column += PANEL, weights += 4 * (inner / 2))
        for (int row = 0; row < rows; row += BLOCK) {
            const Pair *from = x + row * inner / 2;
            float *to = y + row * outer + column;
            int columns = outer - column;
            switch (rows - row) {
                case 1: multiply_block(1, inner, from, weights, columns, to, outer, add); break;
                case 2: multiply_block(2, inner, from, weights, columns, to, outer, add); break;
                case 3: multiply_block(3, inner, from, weights, columns, to, outer, add); break;
                case 4: multiply_block(4, inner, from, weights, columns, to, outer, add); break;
                case 5: multiply_block(5, inner, from, weights, columns, to, outer, add); break;
                default: multiply_block(6, inner, from, weights, columns, to, outer, add);
            }
        }
    return weights;
}

static float inverse_rms(const float *x, int count) {
    Vector squares = {};
    for (int i = 0; i < count; i += LANES) squares += load(x + i) * load(x + i);
    return 1.0f / sqrtf(sum(squares) / (float)count + 1e-6f);
}

static void normalise(const float *x, const float *weight, Pair *out) {
    float scale = inverse_rms(x, WIDTH);
    for (int i = 0; i < WIDTH; i += 2) out[i / 2] = pair(x[i] * scale * weight[i], x[i + 1] * scale * weight[i + 1]);
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

// What the heads of a group see: keys lie as (HEAD, RING), values as (RING, HEAD); the row stands at ``position``.
static void attend(const float *queries, const Cached *keys, const Cached *values, int position, float *out) {
    float weights[GROUP][RING];
    int filled = position + 1 < RING ? position + 1 : RING;
    int here = position % RING;
    Vector highest[GROUP];
    for (int h = 0; h < GROUP; h++) highest[h] = (Vector){} - 1e30f;
    for (int entry = 0; entry < filled; entry += LANES) {
        Vector scores[GROUP] = {};
        for (int d = 0; d < HEAD; d++) {
            Vector key = widen(keys + d * RING + entry);
            for (int h = 0; h < GROUP; h++) scores[h] += queries[h * HEAD + d] * key;
        }
        Whole distance = here - (entry + (Whole){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
        distance += (distance < 0) & RING;
        Whole seen = (distance < CONTEXT) & (distance <= position);
        for (int h = 0; h < GROUP; h++) {
            Vector kept = (Vector)(((Whole)scores[h] & seen) | ((Whole)((Vector){} - 1e30f) & ~seen));
            highest[h] = greater(highest[h], kept);
            store(weights[h] + entry, kept);
        }
    }
    float total[GROUP];
    for (int h = 0; h < GROUP; h++) {
        float top = highest[h][0];
        for (int i = 1; i < LANES; i++) top = highest[h][i] > top ? highest[h][i] : top;
        Vector totals = {};
        for (int entry = 0; entry < filled; entry += LANES) {
            Vector score = load(weights[h] + entry);
            Vector weight = (Vector)((Whole)exponential(score - top) & (score > -1e29f));
            store(weights[h] + entry, weight);
            totals += weight;
        }
        total[h] = sum(totals);
    }
    Vector mixed[GROUP][HEAD / LANES] = {};
    for (int entry = 0; entry < filled; entry++)
#pragma GCC unroll 8
        for (int i = 0; i < HEAD / LANES; i++) {
            Vector value = widen(values + entry * HEAD + i * LANES);
#pragma GCC unroll 8
            for (int h = 0; h < GROUP; h++) mixed[h][i] += weights[h][entry] * value;
        }
    for (int h = 0; h < GROUP; h++)
        for (int i = 0; i < HEAD / LANES; i++) store(out + h * HEAD + i * LANES, mixed[h][i] / total[h]);
}

static void pack(const float *x, int count, Pair *out) {
    for (int i = 0; i < count; i += 2) out[i / 2] = pair(x[i], x[i + 1]);
}

// silu(gate) * up
static void feed(const float *gate, Pair *out) {
    float product[HIDDEN];
    for (int i = 0; i < HIDDEN; i += LANES) {
        Vector x = load(gate + i);
        store(product + i, x / (1.0f + exponential(-x)) * load(gate + HIDDEN + i));
    }
    pack(product, HIDDEN, out);
}

// Rows (at most ROWS) of texts; those of one text come in order and, if several, fit into the ring beside its context.
// floats: embedding (VOCABULARY, WIDTH), for each layer two norms, the last norm, HEAD / 2 rotary frequencies.
// matrices: for each layer queries-keys-values, out, gate-up and down, then the head.
// keys, values: (LAYERS, slots, KV_HEADS, RING * HEAD). logits: (rows, LETTERS).
void advance(const float *floats, const Bits *matrices, Cached *keys, Cached *values, int slots, int rows,
             const int32_t *slot, const int32_t *token, const int32_t *position, float *logits) {
    static _Thread_local float x[ROWS * WIDTH], wide[ROWS * (HEADED > 2 * HIDDEN ? HEADED : 2 * HIDDEN)];
    static _Thread_local float seen[ROWS * QUERIES], cosine[ROWS][HEAD / 2], sine[ROWS][HEAD / 2];
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
            float *head = wide + row * HEADED;
            long place = (long)(layer * slots + slot[row]) * KV_HEADS * RING * HEAD;
            int entry = position[row] % RING;
            for (int h = 0; h < HEADS; h++, head += HEAD) turn(head, cosine[row], sine[row], 1 / sqrtf(HEAD));
            for (int h = 0; h < KV_HEADS; h++, head += HEAD) {
                turn(head, cosine[row], sine[row], 1);
                for (int d = 0; d < HEAD; d++) keys[place + (h * HEAD + d) * RING + entry] = narrow(head[d]);
            }
            for (int h = 0; h < KV_HEADS; h++, head += HEAD)
                for (int d = 0; d < HEAD; d++) values[place + (h * RING + entry) * HEAD + d] = narrow(head[d]);
        }
        for (int row = 0; row < rows; row++) {
            long place = (long)(layer * slots + slot[row]) * KV_HEADS * RING * HEAD;
            for (int g = 0; g < KV_HEADS; g++) {
                long group = place + g * RING * HEAD;
                const float *queries = wide + row * HEADED + g * GROUP * HEAD;
                attend(queries, keys + group, values + group, position[row], seen + row * QUERIES + g * GROUP * HEAD);
            }
        }
        pack(seen, rows * QUERIES, operand);
        matrices = multiply(rows, QUERIES, operand, matrices, WIDTH, x, 1);
        for (int row = 0; row < rows; row++) normalise(x + row * WIDTH, norm + WIDTH, operand + row * WIDTH / 2);
        matrices = multiply(rows, WIDTH, operand, matrices, 2 * HIDDEN, wide, 0);
        for (int row = 0; row < rows; row++) feed(wide + row * 2 * HIDDEN, operand + row * HIDDEN / 2);
        matrices = multiply(rows, HIDDEN, operand, matrices, WIDTH, x, 1);
    }
    for (int row = 0; row < rows; row++) normalise(x + row * WIDTH, norm, operand + row * WIDTH / 2);
    multiply(rows, WIDTH, operand, matrices, LETTERS, logits, 0);
}
