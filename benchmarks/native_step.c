/* The floor: steps of XLand in a plain C loop, one environment at a time.

   The same boards, tasks and views as Meadow's, and the same transitions (`native.py` compares
   them); its own stream of random numbers. Nothing is batched, nothing is checked. */

#include <stdint.h>
#include <string.h>

enum { MOVE, TURN_RIGHT, TURN_LEFT, PICK_UP, PUT_DOWN, TOGGLE };
enum { HOLD = 0x10, AGENT_MOVE = 0x20, AGENT_PUT = 0x40, TILE = 0x80 };
enum { ON_TILE = 1, TILE_AT, AGENT_AT };
enum { COLOURS = 12, FLOOR = 1 * COLOURS + 7 };
enum { BALL = 3, SQUARE, PYRAMID, GOAL, KEY, LOCKED, CLOSED, OPEN, HEX, STAR };

typedef struct {
    int32_t num, size, stride, margin, rules, objects, view, limit, floors, doors, choices;
    int32_t begin_again; /* whether an episode that ends is followed by another */
} World;

typedef struct {
    uint8_t *grid, *pocket, *seen;
    int32_t *position, *direction, *step;
    float *reward;
    const uint8_t *rule, *goal, *object, *base;
    const int32_t *floor, *door, *action; /* [choices] per door; actions may be null */
} Arrays;

static uint32_t draw(uint64_t *luck, uint32_t below) {
    *luck ^= *luck << 13;
    *luck ^= *luck >> 7;
    *luck ^= *luck << 17;
    return (uint32_t)((*luck >> 32) * below >> 32);
}

static int holds(const uint8_t *rule, int action, const uint8_t *here, const uint8_t *front,
                 const int32_t *ahead, uint8_t pocket, int *hit) {
    uint8_t kind = rule[0], a = rule[1], b = rule[2];
    *hit = 0;
    if (kind == HOLD) return action == PICK_UP && pocket == a;
    if ((kind & AGENT_MOVE && action == MOVE) || (kind & AGENT_PUT && action == PUT_DOWN)) {
        for (int d = 0; d < 4; d++)
            if (kind >> d & 1 && here[ahead[d]] == a) *hit |= 1 << d;
    } else if (kind & TILE && action == PUT_DOWN) {
        for (int d = 0; d < 4; d++)
            if ((*front == a && kind >> d & 1 && front[ahead[d]] == b) ||
                (*front == b && kind >> ((d + 2) & 3) & 1 && front[ahead[d]] == a))
                *hit |= 1 << d;
    }
    return *hit != 0;
}

static void begin(const World *w, const Arrays *x, int i, uint64_t *luck) {
    uint8_t *grid = x->grid + (int64_t)i * w->size;
    int32_t cells[1024];
    memcpy(grid, x->base, w->size);
    memcpy(cells, x->floor, sizeof(int32_t) * w->floors);
    for (int d = 0; d < w->doors; d++)
        grid[x->door[d * w->choices + draw(luck, w->choices)]] = CLOSED * COLOURS + 1 + draw(luck, 6);
    for (int k = 0; k <= w->objects; k++) {
        int j = k + draw(luck, w->floors - k);
        int32_t cell = cells[j];
        cells[j] = cells[k];
        uint8_t tile = k < w->objects ? x->object[i * w->objects + k] : 0;
        if (tile) grid[cell] = tile;
        if (k == w->objects) x->position[i] = cell;
    }
    x->direction[i] = draw(luck, 4);
    x->pocket[i] = 0;
    x->step[i] = 0;
}

static void look(const World *w, const Arrays *x, int i, const int32_t *ahead) {
    const uint8_t *here = x->grid + (int64_t)i * w->size + x->position[i];
    int forward = ahead[x->direction[i]], right = ahead[(x->direction[i] + 1) & 3];
    uint8_t *seen = x->seen + (int64_t)i * w->view * w->view;
    for (int r = 0; r < w->view; r++)
        for (int c = 0; c < w->view; c++)
            *seen++ = here[forward * (w->view - 1 - r) + right * (c - w->view / 2)];
}

static void act(uint8_t *grid, const Arrays *x, int i, int action, const int32_t *ahead) {
    uint8_t *front = grid + x->position[i] + ahead[x->direction[i]], *pocket = x->pocket + i;
    int tile = *front / COLOURS;
    switch (action) {
        case MOVE:
            if (tile == 1 || tile == GOAL || tile == OPEN) x->position[i] += ahead[x->direction[i]];
            break;
        case TURN_RIGHT: x->direction[i] = (x->direction[i] + 1) & 3; break;
        case TURN_LEFT: x->direction[i] = (x->direction[i] + 3) & 3; break;
        case PICK_UP:
            if (*pocket < COLOURS && (1 << tile & (1 << BALL | 1 << SQUARE | 1 << PYRAMID | 1 << KEY |
                                                   1 << HEX | 1 << STAR)))
                *pocket = *front, *front = FLOOR;
            break;
        case PUT_DOWN:
            if (*pocket >= COLOURS && tile == 1) *front = *pocket, *pocket = 0;
            break;
        case TOGGLE:
            if (tile == LOCKED && *pocket == *front - COLOURS) *front += 2 * COLOURS;
            else if (tile == CLOSED) *front += COLOURS;
            else if (tile == OPEN) *front -= COLOURS;
    }
}

static int reached(const World *w, const Arrays *x, int i, int action, const int32_t *ahead) {
    const uint8_t *goal = x->goal + 5 * i, *grid = x->grid + (int64_t)i * w->size;
    const uint8_t *here = grid + x->position[i];
    int32_t place = (goal[3] + w->margin) * w->stride + goal[4] + w->margin;
    int hit;
    if (goal[0] == ON_TILE) return action == MOVE && *here == goal[1];
    if (goal[0] == TILE_AT) return grid[place] == goal[1];
    if (goal[0] == AGENT_AT) return x->position[i] == place;
    return holds(goal, action, here, here + ahead[x->direction[i]], ahead, x->pocket[i], &hit);
}

void rollout(const World *w, const Arrays *x, int32_t steps, uint64_t luck) {
    const int32_t ahead[4] = {-w->stride, 1, w->stride, -1};
    for (int t = 0; t < steps; t++)
        for (int i = 0; i < w->num; i++) {
            uint8_t *grid = x->grid + (int64_t)i * w->size;
            int action = x->action ? x->action[(int64_t)t * w->num + i] : (int)draw(&luck, 6);
            act(grid, x, i, action, ahead);
            for (int r = 0; r < w->rules; r++) {
                const uint8_t *rule = x->rule + 4 * ((int64_t)i * w->rules + r);
                uint8_t *here = grid + x->position[i], *front = here + ahead[x->direction[i]];
                int hit;
                if (!rule[0] || !holds(rule, action, here, front, ahead, x->pocket[i], &hit)) continue;
                if (rule[0] == HOLD) x->pocket[i] = rule[3];
                for (int d = 0; d < 4; d++)
                    if (hit >> d & 1) (rule[0] & TILE ? front : here)[ahead[d]] = rule[3];
                if (rule[0] & TILE) *front = FLOOR;
            }
            int done = reached(w, x, i, action, ahead);
            int step = ++x->step[i];
            x->reward[i] = done ? 1.0f - 0.9f * ((float)step / (float)w->limit) : 0.0f;
            if ((done || step == w->limit) && w->begin_again) begin(w, x, i, &luck);
            look(w, x, i, ahead);
        }
}
