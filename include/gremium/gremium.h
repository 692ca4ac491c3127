/* The C interface of Gremium: what the C++ headers beside it offer, function by function.
 *
 * Errors. A function that can fail returns a gremium_status and takes a last parameter `char **error`, which may be
 * NULL. When it fails, *error becomes one line that says what is wrong and what was expected, to be freed with
 * gremium_free(); other out-parameters are then left as they were, unless the function says otherwise. When it
 * succeeds, *error is left as it was: set it to NULL first. No function prints, ends the process or lets a C++
 * exception out.
 *
 * Ownership. Handles that a function gives through an out-parameter belong to the caller, who closes them with the
 * _close function of their type. Handles may be closed in any order: each keeps alive what it needs of others (a
 * session its engine). Closing NULL does nothing. Texts and arrays given through an out-parameter are freed with
 * gremium_free(). What is passed in is copied before the function returns; only `user` pointers are kept, and
 * belong to the caller.
 *
 * Threads. All functions of gremium_engine may run at once. Functions on one handle of another type may not, unless
 * they say so, nor may those that compute (sync, evaluate, generate, step) on sessions and schedulers of one engine.
 * Anything else on different handles may.
 *
 * Stable. Within a minor version (0.1.x) programs keep compiling, and keep running with a newer shared library (the
 * library's file name carries "0.1"). Between minor versions anything may change.
 *
 * Texts are UTF-8 and end with a zero byte. */
#ifndef GREMIUM_H
#define GREMIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gremium_status {
    GREMIUM_OK = 0,
    GREMIUM_ERROR = 1,     /* an input or the machine is at fault */
    GREMIUM_NO_MEMORY = 2, /* memory ran out */
    GREMIUM_MISUSE = 3     /* a pointer that must not be NULL is */
} gremium_status;

/* The version of the library, "0.1.0". Not to be freed. */
const char* gremium_version(void);
/* Threads that computations use from now on, in the whole process; 0: one for each core. Their number changes no
 * result. Call it while nothing is being computed. */
gremium_status gremium_use_threads(int32_t threads, char** error);
/* Frees a text or an array that a function gave. NULL is allowed. */
void gremium_free(void* memory);

/* ---- Engine: an open model ------------------------------------------------------------------------------------- */

typedef struct gremium_engine gremium_engine;

typedef enum gremium_arithmetic {
    GREMIUM_RUNNING = 0, /* activations are rounded where weights are block-quantised: fast, for making text */
    GREMIUM_EXACT = 1    /* f32 throughout: for measuring */
} gremium_arithmetic;

typedef enum gremium_cache_type {
    GREMIUM_CACHE_F32 = 0,
    GREMIUM_CACHE_F16 = 1,
    GREMIUM_CACHE_BF16 = 2,
    GREMIUM_CACHE_Q8_0 = 3
} gremium_cache_type;

/* Opens a GGUF file, a directory in Hugging Face layout, or a version (STORE, STORE@REFERENCE). NULL or "": the
 * small model that comes with Gremium. resident: copies all experts to memory at once. */
gremium_status gremium_engine_open(const char* path, bool resident, gremium_engine** engine, char** error);
void gremium_engine_close(gremium_engine* engine);

typedef struct gremium_facts {
    const char *source, *architecture, *name; /* valid as long as the engine is open */
    int32_t layers, width, vocabulary, context;
    bool has_tokenizer, has_chat_template, has_encoder;
    int64_t parameters, active_parameters, weight_bytes, weight_bytes_per_token;
    int32_t begin_token, target_begin; /* -1: none */
} gremium_facts;

typedef struct gremium_expert_layer {
    int32_t layer, experts, chosen, width;
} gremium_expert_layer;

/* What the model is. */
gremium_status gremium_engine_facts(const gremium_engine* engine, gremium_facts* facts, char** error);
/* The layers that have experts: writes at most `capacity` of them to `layers` (NULL: none) and returns how many
 * there are. */
size_t gremium_engine_expert_layers(const gremium_engine* engine, gremium_expert_layer* layers, size_t capacity);

/* Text of `length` bytes to token ids. add_begin_end: with the tokens that begin and end a text, where the model
 * wants them. special: text like "</s>" becomes the token of that name; false for text that is not trusted. *tokens
 * is to be freed. */
gremium_status gremium_tokenize(const gremium_engine* engine, const char* text, size_t length, bool add_begin_end,
                                bool special, int32_t** tokens, size_t* count, char** error);
/* The inverse. *text ends with a zero byte and is to be freed; *length (may be NULL) does not count that byte. */
gremium_status gremium_detokenize(const gremium_engine* engine, const int32_t* tokens, size_t count, char** text,
                                  size_t* length, char** error);
/* A conversation in the words of the model's own chat template, up to where its next answer begins: for each of `count`
 * messages its role ("system", "user", "assistant", ...) and its content. *tokens is to be freed. */
gremium_status gremium_tokenize_chat(const gremium_engine* engine, const char* const* roles,
                                     const char* const* contents, size_t count, int32_t** tokens, size_t* token_count,
                                     char** error);
/* Whether the model says with this token that its answer is complete. */
bool gremium_ends_answer(const gremium_engine* engine, int32_t token);

/* ---- Steering: wishes about routing ----------------------------------------------------------------------------- */

typedef struct gremium_steering gremium_steering;

/* From TOML (steering.hpp lists its keys). `source` names it in messages; NULL: "profile". NULL or "" as TOML: no
 * wishes. */
gremium_status gremium_steering_parse(const char* toml, const char* source, gremium_steering** steering, char** error);
gremium_status gremium_steering_read(const char* path, gremium_steering** steering, char** error);
void gremium_steering_close(gremium_steering* steering);

/* Adds to the logit of an expert: prefers it, or avoids it. */
gremium_status gremium_steering_bias(gremium_steering* steering, int32_t layer, int32_t expert, float value,
                                     char** error);
/* The expert is never chosen. */
gremium_status gremium_steering_mute(gremium_steering* steering, int32_t layer, int32_t expert, char** error);
/* The expert is chosen as usual, and then left out. */
gremium_status gremium_steering_drop(gremium_steering* steering, int32_t layer, int32_t expert, char** error);
/* The expert is always chosen. */
gremium_status gremium_steering_force(gremium_steering* steering, int32_t layer, int32_t expert, char** error);
/* How many experts a token uses: in one layer, or in all where layer is -1. top_k 0: the model's number. mass in
 * (0, 1]: of those only the first that have this share of their weight. */
gremium_status gremium_steering_experts_per_token(gremium_steering* steering, int32_t layer, int32_t top_k, float mass,
                                                  char** error);
/* Adds the wishes of another profile; where both give a number, the other's counts. */
gremium_status gremium_steering_merge(gremium_steering* steering, const gremium_steering* later, char** error);
/* Fails where the model has no such layer or expert, or no token could satisfy the wishes. */
gremium_status gremium_steering_check(const gremium_steering* steering, const gremium_engine* engine, char** error);
/* The profile as TOML, to be freed. */
gremium_status gremium_steering_toml(const gremium_steering* steering, char** toml, char** error);

/* ---- Hooks and traces ------------------------------------------------------------------------------------------- */

/* What a hook may ask of a choice; valid during the callback. */
typedef struct gremium_rules gremium_rules;

/* T tokens before a layer with E experts chooses. Valid during the callback. */
typedef struct gremium_before_selection {
    int32_t layer, experts;               /* experts: E */
    size_t tokens;                        /* T */
    const int32_t *token_ids, *positions; /* [T] */
    float* logits;                        /* [T, E]; may be changed: add to prefer an expert, -INFINITY to mute it */
    int32_t* top_k;                       /* may be changed: 1 to E */
    gremium_rules* rules;
} gremium_before_selection;

/* The same tokens after the choice. */
typedef struct gremium_after_selection {
    int32_t layer, experts, top_k; /* top_k: k */
    size_t tokens;
    const int32_t *token_ids, *positions; /* [T] */
    const float* logits;                  /* [T, E] */
    const int32_t* ids;                   /* [T, k], best first; -1: given up */
    const float* weights;                 /* [T, k] */
    const float* margins;                 /* [T]: score of the last chosen minus that of the best not chosen */
} gremium_after_selection;

/* Experts chosen before all others; chosen as usual and then left out; and the share of the weight of all k that
 * the first choices kept must have. For all tokens of the callback. */
void gremium_rules_force(gremium_rules* rules, int32_t expert);
void gremium_rules_drop(gremium_rules* rules, int32_t expert);
void gremium_rules_mass(gremium_rules* rules, float mass);

/* Callbacks may be NULL. They run on the thread that called evaluate, sync, generate or step. `user` must stay
 * valid as long as a session or request has the hook. */
typedef struct gremium_hook {
    void* user;
    void (*before_selection)(void* user, const gremium_before_selection* selection);
    void (*after_selection)(void* user, const gremium_after_selection* selection);
    /* Names what the hook does to routing: hooks of one fingerprint decide alike. NULL or "": it only looks. */
    const char* fingerprint;
} gremium_hook;

typedef struct gremium_trace gremium_trace;

typedef struct gremium_decision {
    int32_t layer, position, token;
    const char* piece; /* the token's text, "" without a tokenizer */
    size_t count;
    const int32_t* experts; /* [count], best first */
    const float* weights;   /* [count] */
    float margin;           /* INFINITY when all experts were chosen */
} gremium_decision;

/* A recorder of decisions, empty; pass it to a session or a request. Not to be read while that computes. */
gremium_status gremium_trace_create(const gremium_engine* engine, gremium_trace** trace, char** error);
/* Reads what gremium_trace_write() or `gremium run --trace` wrote. Such a trace records nothing more. */
gremium_status gremium_trace_read(const char* path, gremium_trace** trace, char** error);
void gremium_trace_close(gremium_trace* trace);
/* Decisions kept. */
size_t gremium_trace_size(const gremium_trace* trace);
/* One of them. The pointers are valid until the next call with this trace. */
gremium_status gremium_trace_decision(gremium_trace* trace, size_t index, gremium_decision* decision, char** error);
/* Forgets all. */
void gremium_trace_clear(gremium_trace* trace);
/* Writes them as JSON Lines; fails for a trace that was read. */
gremium_status gremium_trace_write(const gremium_trace* trace, const char* path, char** error);

/* ---- Sessions --------------------------------------------------------------------------------------------------- */

typedef struct gremium_session gremium_session;

/* Begin with gremium_default_session_options(). */
typedef struct gremium_session_options {
    /* Tokens that it can hold; 0: the model's number, or what fits into half of the free memory where that is less. */
    int64_t context;
    int64_t prefill_chunk; /* tokens of a prompt that are evaluated together */
    gremium_cache_type cache;
    gremium_arithmetic arithmetic;
    const gremium_steering* steering; /* NULL: none */
    const gremium_hook* hook;         /* NULL: none */
    gremium_trace* trace;             /* NULL: none */
} gremium_session_options;
gremium_session_options gremium_default_session_options(void);

typedef struct gremium_memory {
    int64_t weights, converted, cache, activations; /* bytes */
} gremium_memory;
/* What a session would take, before it is opened. NULL options: the defaults. */
gremium_status gremium_memory_estimate(const gremium_engine* engine, const gremium_session_options* options,
                                       gremium_memory* memory, char** error);

/* NULL options: the defaults. Fails for a context that does not fit into memory and steering that does not fit the
 * model. */
gremium_status gremium_session_open(const gremium_engine* engine, const gremium_session_options* options,
                                    gremium_session** session, char** error);
void gremium_session_close(gremium_session* session);

/* Makes the context hold exactly these tokens: keeps the longest common prefix and evaluates what is missing.
 * *logits (may be NULL) are for what comes after the last token, one for each entry of the vocabulary; they belong
 * to the session and are valid until it is used again. */
gremium_status gremium_session_sync(gremium_session* session, const int32_t* tokens, size_t count, const float** logits,
                                    char** error);
/* Appends tokens; logits as above. */
gremium_status gremium_session_evaluate(gremium_session* session, const int32_t* tokens, size_t count,
                                        const float** logits, char** error);
/* The tokens that the context holds: belong to the session, valid until it is used again. */
size_t gremium_session_tokens(const gremium_session* session, const int32_t** tokens);
/* How many it can hold. */
int64_t gremium_session_capacity(const gremium_session* session);
/* Forgets what comes after `length` tokens, or more where layers cannot go back just there; *left (may be NULL) are
 * left. */
gremium_status gremium_session_truncate(gremium_session* session, int64_t length, int64_t* left, char** error);
/* Of a model with an encoder: reads the source that the tokens from now on are made from, and forgets all before. */
gremium_status gremium_session_read_source(gremium_session* session, const int32_t* tokens, size_t count, char** error);
/* Other steering, hook and trace from now on, each NULL for none. Where the steering differs, the context is
 * emptied. */
gremium_status gremium_session_steer(gremium_session* session, const gremium_steering* steering,
                                     const gremium_hook* hook, gremium_trace* trace, char** error);

/* Begin with gremium_default_generate_options(). */
typedef struct gremium_generate_options {
    int64_t max_tokens;
    float temperature;  /* 0: always the most probable token */
    int32_t top_k;      /* 0: all */
    float top_p, min_p; /* 1, 0: all */
    float repetition_penalty;
    int32_t repetition_window;
    uint64_t seed;
    const char* const* stops; /* texts before the first of which the answer ends */
    size_t stop_count;
    bool ignore_end; /* go on after a token that ends an answer */
} gremium_generate_options;
gremium_generate_options gremium_default_generate_options(void);

typedef enum gremium_finish {
    GREMIUM_FINISH_END = 0,       /* the model ended its answer */
    GREMIUM_FINISH_STOP = 1,      /* a stop text came */
    GREMIUM_FINISH_LENGTH = 2,    /* max_tokens */
    GREMIUM_FINISH_CONTEXT = 3,   /* the context is full */
    GREMIUM_FINISH_CALLBACK = 4,  /* on_text returned false */
    GREMIUM_FINISH_CANCELLED = 5, /* by gremium_scheduler_cancel, or closed */
    GREMIUM_FINISH_FAILED = 6     /* gremium_scheduler_step failed */
} gremium_finish;

/* Hears an answer as it is made: whole characters that are certain to belong to it (often none: length 0), and the
 * token just made. The text also ends with a zero byte and is valid during the call. Return false to end the
 * answer. */
typedef bool (*gremium_on_text)(void* user, const char* text, size_t length, int32_t token);

typedef struct gremium_answer {
    const char* text; /* ends with a zero byte */
    size_t length;
    const int32_t* tokens;
    size_t token_count;
    gremium_finish finish;
} gremium_answer;

/* Syncs to the prompt and continues it. NULL options: the defaults; on_text and answer may be NULL. The pointers of
 * *answer belong to the session and are valid until it generates again or is closed. */
gremium_status gremium_session_generate(gremium_session* session, const int32_t* prompt, size_t count,
                                        const gremium_generate_options* options, gremium_on_text on_text, void* user,
                                        gremium_answer* answer, char** error);

/* ---- Scheduler: many requests that decode together --------------------------------------------------------------- */

typedef struct gremium_scheduler gremium_scheduler;

/* Begin with gremium_default_scheduler_options(). */
typedef struct gremium_scheduler_options {
    int64_t sequences;     /* so many run at a time; the others wait */
    int64_t context;       /* tokens that one sequence can hold; 0: the model's number, or what fits into memory */
    int64_t prefill_chunk; /* tokens of prompts that a step evaluates beside the sequences that decode */
    int64_t memory;        /* bytes that contexts and activations may take; 0: half of what is free now */
    gremium_cache_type cache;
    gremium_arithmetic arithmetic;
} gremium_scheduler_options;
gremium_scheduler_options gremium_default_scheduler_options(void);

/* NULL options: the defaults. */
gremium_status gremium_scheduler_open(const gremium_engine* engine, const gremium_scheduler_options* options,
                                      gremium_scheduler** scheduler, char** error);
/* Ends what is left as cancelled, with callbacks. */
void gremium_scheduler_close(gremium_scheduler* scheduler);

/* Hears, once, how a request ended. The answer is valid during the call. */
typedef void (*gremium_on_finish)(void* user, const gremium_answer* answer);

typedef struct gremium_request {
    const int32_t* prompt;
    size_t prompt_count;
    const int32_t* source; /* of a model with an encoder: what that reads first; otherwise NULL */
    size_t source_count;
    const gremium_generate_options* generate; /* NULL: the defaults */
    const gremium_steering* steering;         /* of this request alone; NULL: none */
    const gremium_hook* hook;                 /* of this request alone; NULL: none */
    gremium_trace* trace;                     /* NULL: none */
    /* Called by gremium_scheduler_step(); each may be NULL. Of the scheduler they may call submit and cancel. */
    gremium_on_text on_text;
    gremium_on_finish on_finish;
    void* user; /* of the callbacks; must stay valid until on_finish returns */
} gremium_request;

/* From any thread. *id (may be NULL) names the request. Requests begin in the order of submission. */
gremium_status gremium_scheduler_submit(gremium_scheduler* scheduler, const gremium_request* request, uint64_t* id,
                                        char** error);
/* From any thread. Takes effect with the next step; ids that are unknown or have ended are ignored. */
void gremium_scheduler_cancel(gremium_scheduler* scheduler, uint64_t id);
/* Evaluates one round for all that run. *more becomes false when nothing is left to do. When it fails, all that ran
 * have ended as failed and those that wait are kept. */
gremium_status gremium_scheduler_step(gremium_scheduler* scheduler, bool* more, char** error);
/* Between steps. */
int64_t gremium_scheduler_running(const gremium_scheduler* scheduler);
/* From any thread. */
int64_t gremium_scheduler_waiting(const gremium_scheduler* scheduler);

/* ---- Versions of a model ----------------------------------------------------------------------------------------- */

typedef struct gremium_store gremium_store;

/* Makes a store whose first version is the model. Fails where the directory exists and is not empty. */
gremium_status gremium_store_create(const char* directory, const char* model_path, gremium_store** store, char** error);
gremium_status gremium_store_open(const char* directory, gremium_store** store, char** error);
void gremium_store_close(gremium_store* store);

/* A reference is HEAD (also NULL), a branch, or at least four digits of a version, each with ~N for N versions
 * before. */

/* The id of a version, to be freed. */
gremium_status gremium_store_resolve(gremium_store* store, const char* reference, char** id, char** error);
/* The version as a model. */
gremium_status gremium_store_open_version(gremium_store* store, const char* reference, gremium_engine** engine,
                                          char** error);

typedef struct gremium_version_info {
    const char *id, *parent, *date, *message; /* parent: "" for the first */
} gremium_version_info;
/* A version and its parents, latest first. *versions is to be freed, in one piece with its texts. */
gremium_status gremium_store_log(gremium_store* store, const char* reference, gremium_version_info** versions,
                                 size_t* count, char** error);

/* What the model has otherwise than HEAD becomes the next version of HEAD's branch. *id (may be NULL) is to be
 * freed. */
gremium_status gremium_store_commit(gremium_store* store, const gremium_engine* model, const char* message, char** id,
                                    char** error);
/* A version that undoes one. Fails where later versions changed the same. *id (may be NULL) is to be freed. */
gremium_status gremium_store_revert(gremium_store* store, const char* reference, const char* message, char** id,
                                    char** error);
/* A branch that begins at a version. */
gremium_status gremium_store_create_branch(gremium_store* store, const char* name, const char* reference, char** error);
gremium_status gremium_store_remove_branch(gremium_store* store, const char* name, char** error);
/* HEAD from now on. */
gremium_status gremium_store_check_out(gremium_store* store, const char* reference, char** error);

typedef struct gremium_expert_change {
    int32_t layer, expert;
    double weights, router_row; /* |after - before| / |before| */
    double bias;                /* of the router, after - before */
} gremium_expert_change;
/* The experts that differ between two versions. *changes is to be freed. */
gremium_status gremium_store_difference(gremium_store* store, const char* before, const char* after,
                                        gremium_expert_change** changes, size_t* count, char** error);
/* Reads everything. *text are the problems found, a line each, "" for none; to be freed. */
gremium_status gremium_store_problems(gremium_store* store, char** text, char** error);
/* Removes what no branch reaches; *bytes (may be NULL) were freed. */
gremium_status gremium_store_collect_garbage(gremium_store* store, int64_t* bytes, char** error);

#ifdef __cplusplus
}
#endif

#endif
