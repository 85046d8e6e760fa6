/* The limit: JSON Lines of {"features":[13 numbers],"key":n} parsed by hand, TensorFlow's C API, no checks.
 * One thread a processor, each with a byte range of its own of every file. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct TF_Tensor TF_Tensor;
typedef struct TF_Status TF_Status;
typedef struct { void *operation; int index; } TF_Output;
TF_Status *TF_NewStatus(void);
int TF_GetCode(const TF_Status *);
const char *TF_Message(const TF_Status *);
void *TF_NewGraph(void);
void *TF_NewSessionOptions(void);
void *TF_LoadSessionFromSavedModel(const void *, const void *, const char *, const char *const *, int, void *, void *,
                                   TF_Status *);
void *TF_GraphOperationByName(void *, const char *);
TF_Tensor *TF_AllocateTensor(int, const int64_t *, int, size_t);
void *TF_TensorData(const TF_Tensor *);
void TF_DeleteTensor(TF_Tensor *);
void TF_SessionRun(void *, const void *, const TF_Output *, TF_Tensor *const *, int, const TF_Output *, TF_Tensor **,
                   int, const void *const *, int, void *, TF_Status *);

enum { FEATURES = 13, BATCH = 8192, FLOAT = 1, INT64 = 9, LONGEST_RECORD = 64 };

static void *session, *graph;
static const char *output;
static TF_Output feeds[2], fetches[2];
static int files, threads;
static char **texts;
static size_t *sizes;

static void die(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static TF_Output tensor(const char *name, int index) {
    TF_Output found = {TF_GraphOperationByName(graph, name), index};
    if (!found.operation) die(name);
    return found;
}

static const char *number(const char *at, double *value) {
    static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *start = at;
    int negative = *at == '-', digits = 0, decimals = 0;
    uint64_t whole = 0;
    for (at += negative; *at >= '0' && *at <= '9'; at++, digits++) whole = whole * 10 + (uint64_t)(*at - '0');
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++, digits++, decimals++) whole = whole * 10 + (uint64_t)(*at - '0');
    if (*at == 'e' || *at == 'E' || digits > 15) {
        char *end;
        *value = strtod(start, &end);
        return end;
    }
    *value = (negative ? -(double)whole : (double)whole) / power[decimals];
    return at;
}

static const char *row(const char *at, float *features, int64_t *key) {
    double value;
    at = strchr(at, '[') + 1;
    for (int i = 0; i < FEATURES; i++) {
        at = number(at, &value) + 1;
        features[i] = (float)value;
    }
    *key = strtoll(strchr(at, ':') + 1, (char **)&at, 10);
    return strchr(at, '\n') + 1;
}

static void predict(TF_Tensor **inputs, int rows, FILE *out) {
    TF_Tensor *results[2];
    TF_Status *status = TF_NewStatus();
    TF_SessionRun(session, NULL, feeds, inputs, 2, fetches, results, 2, NULL, 0, NULL, status);
    if (TF_GetCode(status)) die(TF_Message(status));
    float *predictions = TF_TensorData(results[0]);
    int64_t *keys = TF_TensorData(results[1]);
    for (int i = 0; i < rows; i++)
        fprintf(out, "{\"prediction\": [%.9g], \"key\": %lld}\n", (double)predictions[i], (long long)keys[i]);
    for (int i = 0; i < 2; i++) {
        TF_DeleteTensor(inputs[i]);
        TF_DeleteTensor(results[i]);
    }
}

static const char *batch(const char *at, const char *end, FILE *out) {
    int64_t rows = 0, capacity = 0;
    for (const char *line = at; line < end && capacity < BATCH; capacity++) line = strchr(line, '\n') + 1;
    int64_t shape[2] = {capacity, FEATURES};
    TF_Tensor *inputs[2] = {TF_AllocateTensor(FLOAT, shape, 2, (size_t)capacity * FEATURES * 4),
                            TF_AllocateTensor(INT64, shape, 1, (size_t)capacity * 8)};
    float *features = TF_TensorData(inputs[0]);
    int64_t *keys = TF_TensorData(inputs[1]);
    for (; rows < capacity; rows++) at = row(at, features + rows * FEATURES, keys + rows);
    predict(inputs, (int)rows, out);
    return at;
}

static const char *line_start(const char *text, size_t size, size_t cut) {
    return cut == 0 ? text : cut >= size ? text + size : strchr(text + cut - 1, '\n') + 1;
}

static void *work(void *number_of_thread) {
    int mine = (int)(intptr_t)number_of_thread;
    char path[4096];
    snprintf(path, sizeof path, "%s/predictions-%03d.jsonl", output, mine);
    FILE *out = fopen(path, "w");
    if (!out) die(path);
    setvbuf(out, NULL, _IOFBF, 1 << 20);
    for (int i = 0; i < files; i++) {
        const char *at = line_start(texts[i], sizes[i], sizes[i] * (size_t)mine / (size_t)threads);
        const char *end = line_start(texts[i], sizes[i], sizes[i] * (size_t)(mine + 1) / (size_t)threads);
        while (at < end) at = batch(at, end, out);
    }
    if (fclose(out)) die(path);
    return NULL;
}

static void map(int i, const char *path) {
    struct stat found;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &found)) die(path);
    sizes[i] = (size_t)found.st_size;
    texts[i] = mmap(NULL, sizes[i] + 1, PROT_READ, MAP_PRIVATE, file, 0);
    if (texts[i] == MAP_FAILED) die(path);
    close(file);
}

int main(int count, char **arguments) {
    if (count < 9) die("usage: native SAVED_MODEL OUTPUT THREADS FEATURES KEY PREDICTION OUTPUT_KEY FILE...");
    TF_Status *status = TF_NewStatus();
    const char *tags[] = {"serve"};
    graph = TF_NewGraph();
    session = TF_LoadSessionFromSavedModel(TF_NewSessionOptions(), NULL, arguments[1], tags, 1, graph, NULL, status);
    if (TF_GetCode(status)) die(TF_Message(status));
    output = arguments[2];
    threads = atoi(arguments[3]);
    for (int i = 0; i < 4; i++) {
        char *colon = strrchr(arguments[4 + i], ':');
        *colon = 0;
        *(i < 2 ? &feeds[i] : &fetches[i - 2]) = tensor(arguments[4 + i], atoi(colon + 1));
    }
    files = count - 8;
    texts = calloc((size_t)files, sizeof *texts);
    sizes = calloc((size_t)files, sizeof *sizes);
    for (int i = 0; i < files; i++) map(i, arguments[8 + i]);
    pthread_t *running = calloc((size_t)threads, sizeof *running);
    for (int i = 0; i < threads; i++) pthread_create(&running[i], NULL, work, (void *)(intptr_t)i);
    for (int i = 0; i < threads; i++) pthread_join(running[i], NULL);
    return 0;
}
