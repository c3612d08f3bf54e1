/* Reads golden vectors: a header line (kind, version, CRC-32 of all that follows, events, inputs, outputs), then one
   line of numbers an event. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *path;
    char *text;
    char *next;
    int64_t events, inputs, outputs;
    int bad;
} golden_t;

static uint32_t golden_crc(const char *bytes, size_t size) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; ++i) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >> 1) ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static char *golden_read(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long end = -1;
    if (file && fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0) {
        text = (char *)malloc((size_t)end + 1);
        if (text && fread(text, 1, (size_t)end, file) != (size_t)end) {
            free(text);
            text = NULL;
        }
    }
    if (file) fclose(file);
    if (text) {
        text[end] = '\0';
        *size = (size_t)end;
    }
    return text;
}

/* 1 if the file is whole and of this kind ("words" or "values"); otherwise it says why and returns 0. */
static inline int golden_open(golden_t *golden, const char *path, const char *kind) {
    size_t size = 0;
    char found[16] = "";
    int version = 0, header = 0;
    uint32_t crc = 0;
    memset(golden, 0, sizeof *golden);
    golden->path = path;
    golden->text = golden_read(path, &size);
    if (!golden->text) {
        fprintf(stderr, "%s cannot be read\n", path);
        return 0;
    }
    sscanf(golden->text, "trigforge-golden-%15s %d %" SCNx32 " %" SCNd64 " %" SCNd64 " %" SCNd64 "\n%n", found, &version,
           &crc, &golden->events, &golden->inputs, &golden->outputs, &header);
    golden->next = golden->text + header;
    if (strcmp(found, kind) != 0 || version != 1 || golden->events < 1 || golden->inputs < 1 || golden->outputs < 1) {
        fprintf(stderr, "%s must hold golden %s of version 1, at least one event\n", path, kind);
        return 0;
    }
    if (golden_crc(golden->next, size - (size_t)header) != crc) {
        fprintf(stderr, "%s has changed since it was written: its checksum differs\n", path);
        return 0;
    }
    return 1;
}

static inline int64_t golden_integer(golden_t *golden) {
    char *end = golden->next;
    errno = 0;
    const int64_t number = strtoll(golden->next, &end, 10);
    if (end == golden->next || errno) golden->bad = 1;
    golden->next = end;
    return number;
}

static inline double golden_value(golden_t *golden) {
    char *end = golden->next;
    const double number = strtod(golden->next, &end);
    if (end == golden->next) golden->bad = 1;
    golden->next = end;
    return number;
}

/* 1 if every number was read and nothing is left. */
static inline int golden_close(golden_t *golden) {
    const int whole = !golden->bad && golden->next[strspn(golden->next, " \n")] == '\0';
    if (!whole) fprintf(stderr, "%s must hold a line of numbers for each of its events and nothing else\n", golden->path);
    free(golden->text);
    return whole;
}

#endif
