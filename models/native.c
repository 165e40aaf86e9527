// One step of a GPT on a processor: many rows, each the newest character of some text, to logits.
//
// Compiled when first needed, for this processor and for the shape of the network (see native.py). Every number of a row is
// summed in an order that depends on the row alone, so a text is the same to the bit whatever else is in the batch.
//
// From the compiler's command line: LAYERS, WIDTH, HEADS, KV_HEADS, HEAD (size), HIDDEN, VOCABULARY, CONTEXT, RING, SPAN
// (entries of the cache that are scored together), ROWS, PANEL (columns of a matrix that lie together: a strip or several) and
// INT8 (1: weights and the activations that meet them are whole numbers of eight bits times a scale, the cache is bfloat16,
// which needs AVX-512 with VNNI and BF16; 0: weights are bfloat16, everything else is float).

#define _GNU_SOURCE  // for the cores of threads
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if INT8
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { LANES = 16, STRIP = 64 };  // numbers in a vector; columns of a matrix that are multiplied together
#else
enum { LANES = 8, STRIP = 16 };  // half as wide, and half as many registers
#endif

enum {
    BLOCK = 6,                                 // rows that are multiplied together: their sums fill the vector registers
    GROUP = HEADS / KV_HEADS,                  // query heads of a key/value head
    QUERIES = HEADS * HEAD,
    HEADED = (HEADS + 2 * KV_HEADS) * HEAD,    // queries, keys and values
    LETTERS = (VOCABULARY + 15) / 16 * 16,     // whole vectors of either width
    LONGER = HIDDEN > QUERIES ? HIDDEN : QUERIES,
    LONGEST = LONGER > WIDTH ? LONGER : WIDTH,  // row that meets a matrix
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
static inline Vector lesser(Vector a, Vector b) { return -greater(-a, -b); }
static inline float sum(Vector x) {
    float total = 0;
    for (int i = 0; i < LANES; i++) total += x[i];
    return total;
}

// exp(x), |x| at most 87, to about float's precision: 2^n times the series of exp(r), |r| <= ln(2) / 2.
static inline Vector exponential(Vector x) {
    x = lesser(greater(x, (Vector){} - 87.0f), (Vector){} + 87.0f);
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

// Numbers that are multiplied lie in words, of some inputs each. Matrices lie in panels of some columns; a panel holds, for
// each word of inputs, the weights of its columns that meet it.

// The cache: words are pairs.
#if INT8
typedef uint16_t Cached;
typedef uint32_t Pair;
enum { NEXT = 2, ODD = 1 };  // in a vector of pairs: how far the next column is, and a pair's odd number
static inline void narrow(Pair *to, Vector x) { *(Halves *)to = (Halves)_mm512_cvtneps_pbh((__m512)x); }
static inline Vector multiply_add_cached(Vector total, Pair x, const Cached *pairs) {
    return (Vector)_mm512_dpbf16_ps((__m512)total, (__m512bh)_mm512_set1_epi32((int)x), (__m512bh)*(const Bits *)pairs);
}
#else
typedef float Cached;
typedef struct {
    float even, odd;
} Pair;
enum { NEXT = 1, ODD = LANES };
static inline void narrow(Pair *to, Vector x) { store((float *)to, x); }
static inline Vector multiply_add_cached(Vector total, Pair x, const Cached *pairs) {
    total += x.even * load(pairs);
    total += x.odd * load(pairs + LANES);
    return total;
}
#endif

// The weights. ``pack`` makes a row's words and returns the scale of what they sum up to; ``begin`` and ``end`` are what a
// column's sum starts from and what it adds to what was there before; multiplication and addition are one rounding by
// order, not as the compiler likes, which could differ with the number of rows.
#if INT8
typedef uint32_t Word;  // four inputs, with 128 added: the instruction wants them unsigned
typedef Whole Sum;
enum { INPUTS = 4, HEADER = 2 };  // a panel begins with what those 128 make too much, negative, and with its columns' scales
static inline float pack(const float *x, int count, Word *to) {
    Whole largest = {};  // magnitudes compare like their bits; what is not a number is the largest
    for (int i = 0; i < count; i += LANES) {
        Whole magnitude = (Whole)load(x + i) & 0x7fffffff;
        Whole first = magnitude > largest;
        largest = (magnitude & first) | (largest & ~first);
    }
    int32_t most = _mm512_reduce_max_epi32((__m512i)largest);
    float top;
    memcpy(&top, &most, sizeof top);
    for (int i = 0; i < count; i += LANES) {
        __m512i whole = _mm512_cvtps_epi32((__m512)(load(x + i) * (127 / top)));
        _mm_storeu_si128((__m128i *)(to + i / INPUTS), _mm512_cvtepi32_epi8(_mm512_add_epi32(whole, _mm512_set1_epi32(128))));
    }
    return top / 127;
}
static inline Sum begin(const Bits *header) { return (Sum)header[0]; }
static inline Sum multiply_add(Sum total, Word x, Bits weights) {
    return (Sum)_mm512_dpbusd_epi32((__m512i)total, _mm512_set1_epi32((int)x), (__m512i)weights);
}
static inline Vector end(Sum total, const Bits *header, float scale, Vector before) {
    Vector scaled = __builtin_convertvector(total, Vector) * (Vector)header[PANEL / LANES];
    return (Vector)_mm512_fmadd_ps((__m512)scaled, _mm512_set1_ps(scale), (__m512)before);
}
#else
typedef Pair Word;
typedef Vector Sum;
enum { INPUTS = 2, HEADER = 0 };
static inline float pack(const float *x, int count, Word *to) {
    memcpy(to, x, count * sizeof *x);
    return 1;
}
static inline Sum begin(const Bits *header) { return (Sum){}; }
static inline Sum multiply_add(Sum total, Word x, Bits weights) {
    total += x.even * (Vector)(weights << 16);
    total += x.odd * (Vector)(weights & 0xffff0000u);
    return total;
}
static inline Vector end(Sum total, const Bits *header, float scale, Vector before) { return before + total; }
#endif

// What rows are multiplied with: their words and scales.
typedef struct {
    Word words[ROWS * LONGEST / INPUTS];
    float scales[ROWS];
} Operand;

static inline __attribute__((always_inline)) void multiply_block(
    const int rows, int inner, const Word *x, const float *scales, const Bits *panel, int columns, float *y, int outer, int add) {
    const Bits *weights = panel + HEADER * PANEL / LANES;
    Sum totals[BLOCK][STRIP / LANES];
#pragma GCC unroll 6
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int j = 0; j < STRIP / LANES; j++) totals[row][j] = begin(panel + j);
    for (int k = 0; k < inner / INPUTS; k++, weights += PANEL / LANES)
#pragma GCC unroll 6
        for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
            for (int j = 0; j < STRIP / LANES; j++)
                totals[row][j] = multiply_add(totals[row][j], x[row * inner / INPUTS + k], weights[j]);
#pragma GCC unroll 6
    for (int row = 0; row < rows; row++)
#pragma GCC unroll 4
        for (int j = 0; j < STRIP / LANES; j++) {
            float *to = y + row * outer + j * LANES;
            if (j * LANES < columns) store(to, end(totals[row][j], panel + j, scales[row], add ? load(to) : (Vector){}));
        }
}

// y (rows, outer) = or += x (rows, inner) times a matrix; returns the address behind the matrix.
static const Bits *multiply(int rows, int inner, const Operand *x, const Bits *matrix, int outer, float *y, int add) {
    const int size = (HEADER + inner / INPUTS) * PANEL / LANES;  // of a panel
    for (int column = 0; column < outer; column += STRIP) {
        const Bits *panel = matrix + column / PANEL * size + column % PANEL / LANES;
        for (int row = 0; row < rows; row += BLOCK) {
            const Word *words = x->words + row * inner / INPUTS;
            const float *scales = x->scales + row;
            float *to = y + row * outer + column;
            int columns = outer - column;
            switch (rows - row) {
                case 1: multiply_block(1, inner, words, scales, panel, columns, to, outer, add); break;
                case 2: multiply_block(2, inner, words, scales, panel, columns, to, outer, add); break;
                case 3: multiply_block(3, inner, words, scales, panel, columns, to, outer, add); break;
                case 4: multiply_block(4, inner, words, scales, panel, columns, to, outer, add); break;
                case 5: multiply_block(5, inner, words, scales, panel, columns, to, outer, add); break;
                default: multiply_block(6, inner, words, scales, panel, columns, to, outer, add);
            }
        }
    }
    return matrix + (outer + PANEL - 1) / PANEL * size;
}

// Take a row (inner) that is to be multiplied.
static void take(Operand *operand, int row, int inner, const float *x) {
    operand->scales[row] = pack(x, inner, operand->words + row * inner / INPUTS);
}

static float inverse_rms(const float *x, int count) {
    Vector squares = {};
    for (int i = 0; i < count; i += LANES) squares += load(x + i) * load(x + i);
    return 1.0f / sqrtf(sum(squares) / (float)count + 1e-6f);
}

static void normalise(const float *x, const float *weight, float *out) {
    float scale = inverse_rms(x, WIDTH);
    for (int i = 0; i < WIDTH; i += LANES) store(out + i, load(x + i) * scale * load(weight + i));
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
static void attend(const float *queries, const Cached *keys, const Cached *values, int position, float *out) {
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
        for (int i = 0; i < HEAD / LANES; i++) store(out + h * HEAD + i * LANES, mixed[h][i] / total[h]);
}

// gate = silu(gate) * up
static void feed(float *gate) {
    for (int i = 0; i < HIDDEN; i += LANES) {
        Vector x = load(gate + i);
        store(gate + i, x / (1.0f + exponential(-x)) * load(gate + HIDDEN + i));
    }
}

// A step. Rows of one text come in order and, if several, fit into the ring beside its context.
// floats: embedding (VOCABULARY, WIDTH), for each layer two norms, the last norm, HEAD / 2 rotary frequencies.
// matrices: for each layer queries-keys-values, out, gate-up and down, then the head.
// keys, values: (LAYERS, slots, KV_HEADS, RING * HEAD). logits: (rows, LETTERS).
typedef struct {
    const float *floats;
    const Bits *matrices;
    Cached *keys, *values;
    int slots;
    const int32_t *slot, *token, *position;
    float *logits;
    int shares;           // that the rows are cut into
    const int32_t *cuts;  // where each begins, and the last one's end
    atomic_int next;      // share to be done
} Step;

// Some rows, at most ROWS, from the embedding to the logits.
static void write_rows(const Step *step, int begin, int end) {
    const float *floats = step->floats;
    const Bits *matrices = step->matrices;
    const int32_t *slot = step->slot + begin, *token = step->token + begin, *position = step->position + begin;
    const int rows = end - begin;
    static _Thread_local float x[ROWS * WIDTH], wide[ROWS * (HEADED > 2 * HIDDEN ? HEADED : 2 * HIDDEN)];
    static _Thread_local float cosine[ROWS][HEAD / 2], sine[ROWS][HEAD / 2];
    static _Thread_local float seen[QUERIES], normal[WIDTH];
    static _Thread_local Operand operand;
    const float *norm = floats + VOCABULARY * WIDTH, *frequencies = norm + (2 * LAYERS + 1) * WIDTH;
    for (int row = 0; row < rows; row++) {
        memcpy(x + row * WIDTH, floats + token[row] * WIDTH, WIDTH * sizeof(float));
        for (int i = 0; i < HEAD / 2; i++) {
            cosine[row][i] = cosf((float)position[row] * frequencies[i]);
            sine[row][i] = sinf((float)position[row] * frequencies[i]);
        }
    }
    for (int layer = 0; layer < LAYERS; layer++, norm += 2 * WIDTH) {
        for (int row = 0; row < rows; row++) {
            normalise(x + row * WIDTH, norm, normal);
            take(&operand, row, WIDTH, normal);
        }
        matrices = multiply(rows, WIDTH, &operand, matrices, HEADED, wide, 0);
        for (int row = 0; row < rows; row++) {
            float *queries = wide + row * HEADED, *key = queries + QUERIES, *value = key + KV_HEADS * HEAD;
            for (int h = 0; h < HEADS; h++) turn(queries + h * HEAD, cosine[row], sine[row], 1 / sqrtf(HEAD));
            for (int g = 0; g < KV_HEADS; g++) {
                long cache = ((long)(layer * step->slots + slot[row]) * KV_HEADS + g) * RING * HEAD;
                Cached *keys = step->keys + cache, *values = step->values + cache;
                turn(key + g * HEAD, cosine[row], sine[row], 1);
                keep(key + g * HEAD, value + g * HEAD, position[row] % RING, keys, values);
                attend(queries + g * GROUP * HEAD, keys, values, position[row], seen + g * GROUP * HEAD);
            }
            take(&operand, row, QUERIES, seen);
        }
        matrices = multiply(rows, QUERIES, &operand, matrices, WIDTH, x, 1);
        for (int row = 0; row < rows; row++) {
            normalise(x + row * WIDTH, norm + WIDTH, normal);
            take(&operand, row, WIDTH, normal);
        }
        matrices = multiply(rows, WIDTH, &operand, matrices, 2 * HIDDEN, wide, 0);
        for (int row = 0; row < rows; row++) {
            feed(wide + row * 2 * HIDDEN);
            take(&operand, row, HIDDEN, wide + row * 2 * HIDDEN);
        }
        matrices = multiply(rows, HIDDEN, &operand, matrices, WIDTH, x, 1);
    }
    for (int row = 0; row < rows; row++) {
        normalise(x + row * WIDTH, norm, normal);
        take(&operand, row, WIDTH, normal);
    }
    multiply(rows, WIDTH, &operand, matrices, LETTERS, step->logits + begin * LETTERS, 0);
}

// The shares that nobody has begun, one after the other.
static void work(Step *step) {
    for (int i; (i = atomic_fetch_add(&step->next, 1)) < step->shares;) write_rows(step, step->cuts[i], step->cuts[i + 1]);
}

// The crew: threads beside the caller's. One that has nothing to do keeps looking for as long as the pause between two steps
// may take, letting others run; only then it sleeps, for to wake a sleeping core can take as long as its share of a step.

enum { IDLE, BUSY, ASLEEP, DISMISSED };
static const long PAUSE = 2000000;  // ns

typedef struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t called;
    atomic_int state, core;  // the core is the caller's
    Step *step;
} Mate;

static long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

// Two threads that pause often are left on one core by a scheduler that spares their caches: leave the caller's.
#ifdef __linux__
static int here(void) { return sched_getcpu(); }
static void step_aside(Mate *mate) {
    cpu_set_t all, others;
    if (atomic_load(&mate->core) != here() || pthread_getaffinity_np(mate->thread, sizeof all, &all)) return;
    others = all;
    CPU_CLR(here(), &others);
    if (pthread_setaffinity_np(mate->thread, sizeof others, &others) == 0)  // fails where there is no other
        pthread_setaffinity_np(mate->thread, sizeof all, &all);
}
#else
static int here(void) { return 0; }
static void step_aside(Mate *mate) {}
#endif

static void fall_asleep(Mate *mate) {
    int idle = IDLE;
    pthread_mutex_lock(&mate->lock);
    if (atomic_compare_exchange_strong(&mate->state, &idle, ASLEEP))
        while (atomic_load(&mate->state) == ASLEEP) pthread_cond_wait(&mate->called, &mate->lock);
    pthread_mutex_unlock(&mate->lock);
}

static void call(Mate *mate, int state) {
    if (atomic_exchange(&mate->state, state) != ASLEEP) return;
    pthread_mutex_lock(&mate->lock);
    pthread_cond_signal(&mate->called);
    pthread_mutex_unlock(&mate->lock);
}

static void *serve(void *given) {
    Mate *mate = given;
    for (long since = nanoseconds();;) {
        int state = atomic_load(&mate->state);
        if (state == DISMISSED) return NULL;
        if (state == BUSY) {
            work(mate->step);
            atomic_store(&mate->state, IDLE);
            since = nanoseconds();
        } else if (nanoseconds() - since < PAUSE) {
            step_aside(mate);
            sched_yield();
        } else {
            fall_asleep(mate);
        }
    }
}

void dismiss(Mate *crew, int mates) {
    for (int i = 0; i < mates; i++) {
        call(crew + i, DISMISSED);
        pthread_join(crew[i].thread, NULL);
    }
    free(crew);
}

// NULL where the system grants no more threads.
Mate *hire(int mates) {
    Mate *crew = calloc(mates + 1, sizeof *crew);
    for (int i = 0; crew && i < mates; i++) {
        pthread_mutex_init(&crew[i].lock, NULL);
        pthread_cond_init(&crew[i].called, NULL);
        if (pthread_create(&crew[i].thread, NULL, serve, crew + i)) {
            dismiss(crew, i);
            return NULL;
        }
    }
    return crew;
}

void advance(Mate *crew, int mates, const float *floats, const Bits *matrices, Cached *keys, Cached *values, int slots,
             const int32_t *slot, const int32_t *token, const int32_t *position, int shares, const int32_t *cuts, float *logits) {
    Step step = {floats, matrices, keys, values, slots, slot, token, position, logits, shares, cuts, 0};
    if (mates > shares - 1) mates = shares - 1;
    for (int i = 0; i < mates; i++) {
        crew[i].step = &step;
        atomic_store(&crew[i].core, here());
        call(crew + i, BUSY);
    }
    work(&step);
    for (int i = 0; i < mates; i++)
        while (atomic_load(&crew[i].state) == BUSY) sched_yield();
}
