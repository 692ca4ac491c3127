/* The C interface of Gremium. It mirrors the C++ headers beside it, which describe everything in more detail.
 *
 * Errors. A function that can fail returns a gremium_status; its last parameter is `char **error`, which may be NULL.
 * When it fails, *error is set to one line that says what is wrong and what was expected; free it with gremium_free().
 * Other out-parameters are then unchanged, unless the function says otherwise. When it succeeds, *error is unchanged:
 * set it to NULL first. No function prints, ends the process or lets a C++ exception out.
 *
 * Ownership. A handle returned through an out-parameter belongs to the caller, who closes it with the _close function
 * of its type. Handles may be closed in any order: each keeps alive what it needs of others (a session keeps its
 * engine). Closing NULL does nothing. Texts and arrays returned through an out-parameter are freed with gremium_free().
 * Arguments are copied before the function returns; only `user` pointers are kept, and they belong to the caller.
 *
 * Threads. Functions of one gremium_engine may be called from several threads at once. Functions of one handle of
 * another type may not, unless they say so. Functions that compute (sync, evaluate, generate, step) may not run at the
 * same time for sessions and schedulers of one engine. Everything else on different handles may.
 *
 * Stability. Within a minor version (0.1.x), programs keep compiling, and keep running with a newer shared library (the
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
    GREMIUM_ERROR = 1,     /* bad input, or a failure of the machine */
    GREMIUM_NO_MEMORY = 2, /* memory ran out */
    GREMIUM_MISUSE = 3     /* NULL was passed where it is not allowed */
} gremium_status;

/* The version of the library, "0.1.0". A constant: do not free it. */
const char* gremium_version(void);
/* Sets the number of threads for all computations of this process; 0: one per core. Results do not depend on it. Do not
 * call it while anything is being computed. */
gremium_status gremium_use_threads(int32_t threads, char** error);
/* Frees a text or an array that a function returned. NULL is allowed. */
void gremium_free(void* memory);

/* ---- Engine: an open model ------------------------------------------------------------------------------------- */

typedef struct gremium_engine gremium_engine;

typedef enum gremium_arithmetic {
    GREMIUM_RUNNING = 0, /* activations are rounded where weights are block-quantised: fast, for generating text */
    GREMIUM_EXACT = 1    /* f32 throughout: for measuring */
} gremium_arithmetic;

typedef enum gremium_cache_type {
    GREMIUM_CACHE_F32 = 0,
    GREMIUM_CACHE_F16 = 1,
    GREMIUM_CACHE_BF16 = 2,
    GREMIUM_CACHE_Q8_0 = 3
} gremium_cache_type;

/* Opens a GGUF file, a directory in Hugging Face layout, or a version (STORE, STORE@REFERENCE). NULL or "": the small
 * default model that comes with Gremium (engine.hpp says where it is searched). resident: copies all experts into
 * memory now. */
gremium_status gremium_engine_open(const char* path, bool resident, gremium_engine** engine, char** error);
void gremium_engine_close(gremium_engine* engine);

/* As gremium::EngineFacts. */
typedef struct gremium_facts {
    const char *source, *architecture, *name;   /* valid as long as the engine is open */
    int32_t layers, width, vocabulary, context; /* context: in tokens */
    bool has_tokenizer, has_chat_template, has_encoder;
    int64_t parameters, active_parameters, weight_bytes, weight_bytes_per_token;
    int32_t begin_token, target_begin; /* -1: none */
} gremium_facts;

/* A layer that has experts: its index in the decoder, its number of experts, how many of them are chosen per token, and
 * the hidden width of each. */
typedef struct gremium_expert_layer {
    int32_t layer, experts, chosen, width;
} gremium_expert_layer;

/* Describes the model. */
gremium_status gremium_engine_facts(const gremium_engine* engine, gremium_facts* facts, char** error);
/* Writes at most `capacity` of the layers that have experts to `layers` (may be NULL) and returns their number. */
size_t gremium_engine_expert_layers(const gremium_engine* engine, gremium_expert_layer* layers, size_t capacity);
/* Writes at most `capacity` warnings to `warnings` (may be NULL), valid as long as the engine is open, and returns
 * their number. Each is a line on what the model's files say that is not understood; most often there is none. */
size_t gremium_engine_warnings(const gremium_engine* engine, const char** warnings, size_t capacity);

/* Converts `length` bytes of text to token ids. add_begin_end: adds the tokens that begin and end a text, if the model
 * uses them. special: text such as "</s>" becomes the special token of that name; pass false for text that you do not
 * trust. Free *tokens. */
gremium_status gremium_tokenize(const gremium_engine* engine, const char* text, size_t length, bool add_begin_end,
                                bool special, int32_t** tokens, size_t* count, char** error);
/* The inverse. *text ends with a zero byte, which *length (may be NULL) does not count. Free *text. */
gremium_status gremium_detokenize(const gremium_engine* engine, const int32_t* tokens, size_t count, char** text,
                                  size_t* length, char** error);
/* Formats a conversation with the model's chat template, up to where the next answer begins. roles[i] ("system",
 * "user", "assistant", ...) and contents[i] are those of message i, of `count` messages. Free *tokens. */
gremium_status gremium_tokenize_chat(const gremium_engine* engine, const char* const* roles,
                                     const char* const* contents, size_t count, int32_t** tokens, size_t* token_count,
                                     char** error);
/* Whether the model ends its answer with this token. */
bool gremium_ends_answer(const gremium_engine* engine, int32_t token);

/* ---- Steering: settings that change routing ---------------------------------------------------------------------- */

typedef struct gremium_steering gremium_steering;

/* Creates a profile from TOML (steering.hpp lists its keys). `source` names it in messages; NULL: "profile". NULL or ""
 * as TOML: an empty profile. */
gremium_status gremium_steering_parse(const char* toml, const char* source, gremium_steering** steering, char** error);
gremium_status gremium_steering_read(const char* path, gremium_steering** steering, char** error);
void gremium_steering_close(gremium_steering* steering);

/* Adds to the logit of an expert: it is chosen more often, or less often if the value is negative. */
gremium_status gremium_steering_bias(gremium_steering* steering, int32_t layer, int32_t expert, float value,
                                     char** error);
/* The expert is never chosen. */
gremium_status gremium_steering_mute(gremium_steering* steering, int32_t layer, int32_t expert, char** error);
/* The expert is chosen as usual, and then left out. */
gremium_status gremium_steering_drop(gremium_steering* steering, int32_t layer, int32_t expert, char** error);
/* The expert is always chosen. */
gremium_status gremium_steering_force(gremium_steering* steering, int32_t layer, int32_t expert, char** error);
/* Sets the experts per token in one layer, or in all layers if layer is -1. top_k 0: the model's number. mass in
 * (0, 1]: of these only the fewest, best first, whose weights sum to this share. */
gremium_status gremium_steering_experts_per_token(gremium_steering* steering, int32_t layer, int32_t top_k, float mass,
                                                  char** error);
/* Adds the settings of another profile; where both set the same number, the later one wins. */
gremium_status gremium_steering_merge(gremium_steering* steering, const gremium_steering* later, char** error);
/* Fails if the model has no such layer or expert, or if no choice could satisfy the settings. */
gremium_status gremium_steering_check(const gremium_steering* steering, const gremium_engine* engine, char** error);
/* The profile as TOML. Free *toml. */
gremium_status gremium_steering_toml(const gremium_steering* steering, char** toml, char** error);

/* ---- Hooks and traces ------------------------------------------------------------------------------------------- */

/* Further rules that a hook may set for the choice; valid during the callback. */
typedef struct gremium_rules gremium_rules;

/* T tokens, before a layer with E experts chooses. Valid during the callback. */
typedef struct gremium_before_selection {
    int32_t layer, experts;               /* experts: E */
    size_t tokens;                        /* T */
    const int32_t *token_ids, *positions; /* [T] */
    float* logits;                        /* [T, E]; may be changed: add to prefer an expert, -INFINITY to mute it */
    int32_t* top_k;                       /* may be changed: 1 to E */
    gremium_rules* rules;
} gremium_before_selection;

/* The same tokens, after the choice. Valid during the callback. */
typedef struct gremium_after_selection {
    int32_t layer, experts, top_k;        /* top_k: k */
    size_t tokens;                        /* T */
    const int32_t *token_ids, *positions; /* [T] */
    const float* logits;                  /* [T, E] */
    const int32_t* ids;                   /* [T, k], best first; -1: dropped */
    const float* weights;                 /* [T, k] */
    const float* margins;                 /* [T]: score of the last expert chosen minus that of the best not chosen */
} gremium_after_selection;

/* For all tokens of the callback: an expert that is chosen before all others; an expert that is dropped after the
 * choice; and the share of the weight of all k choices that the kept ones, best first, must reach. */
void gremium_rules_force(gremium_rules* rules, int32_t expert);
void gremium_rules_drop(gremium_rules* rules, int32_t expert);
void gremium_rules_mass(gremium_rules* rules, float mass);

/* Callbacks may be NULL. They run on the thread that called evaluate, sync, generate or step. `user` must stay valid as
 * long as a session or request uses the hook. */
typedef struct gremium_hook {
    void* user;
    void (*before_selection)(void* user, const gremium_before_selection* selection);
    void (*after_selection)(void* user, const gremium_after_selection* selection);
    /* Identifies what the hook does to routing: hooks with the same fingerprint must decide alike. NULL or "": the hook
     * only observes. */
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

/* Creates an empty trace, which records decisions when it is passed to a session or a request. Do not read it while
 * that computes. */
gremium_status gremium_trace_create(const gremium_engine* engine, gremium_trace** trace, char** error);
/* Reads what gremium_trace_write() or `gremium run --trace` wrote. Such a trace cannot record. */
gremium_status gremium_trace_read(const char* path, gremium_trace** trace, char** error);
void gremium_trace_close(gremium_trace* trace);
/* The number of decisions. */
size_t gremium_trace_size(const gremium_trace* trace);
/* Decision number `index`. Its pointers are valid until the next call with this trace. */
gremium_status gremium_trace_decision(gremium_trace* trace, size_t index, gremium_decision* decision, char** error);
/* Forgets all decisions. */
void gremium_trace_clear(gremium_trace* trace);
/* Writes the decisions as JSON Lines; fails for a trace that was read from a file. */
gremium_status gremium_trace_write(const gremium_trace* trace, const char* path, char** error);

/* ---- Sessions --------------------------------------------------------------------------------------------------- */

typedef struct gremium_session gremium_session;

/* Begin with gremium_default_session_options(). */
typedef struct gremium_session_options {
    /* Capacity in tokens; 0: the model's context, or what fits into half of the free memory if that is less. */
    int64_t context;
    int64_t prefill_chunk; /* prompt tokens that are evaluated together */
    gremium_cache_type cache;
    gremium_arithmetic arithmetic;
    const gremium_steering* steering; /* NULL: none */
    const gremium_hook* hook;         /* NULL: none */
    gremium_trace* trace;             /* NULL: none */
} gremium_session_options;
gremium_session_options gremium_default_session_options(void);

/* As gremium::MemoryEstimate. */
typedef struct gremium_memory {
    int64_t weights, converted, cache, activations; /* bytes */
} gremium_memory;
/* The memory that a session would need. NULL options: the defaults. */
gremium_status gremium_memory_estimate(const gremium_engine* engine, const gremium_session_options* options,
                                       gremium_memory* memory, char** error);

/* NULL options: the defaults. Fails for a context that does not fit into memory, and for steering that does not fit the
 * model. */
gremium_status gremium_session_open(const gremium_engine* engine, const gremium_session_options* options,
                                    gremium_session** session, char** error);
void gremium_session_close(gremium_session* session);

/* Makes the context hold exactly these tokens: keeps the longest common prefix and evaluates the missing tokens.
 * *logits (may be NULL), [vocabulary], are those of the token that follows the last one. They belong to the session and
 * are valid until it is used again. */
gremium_status gremium_session_sync(gremium_session* session, const int32_t* tokens, size_t count, const float** logits,
                                    char** error);
/* Appends tokens; logits as above. */
gremium_status gremium_session_evaluate(gremium_session* session, const int32_t* tokens, size_t count,
                                        const float** logits, char** error);
/* The number of tokens in the context; *tokens belong to the session and are valid until it is used again. */
size_t gremium_session_tokens(const gremium_session* session, const int32_t** tokens);
/* The most tokens that the context can hold. */
int64_t gremium_session_capacity(const gremium_session* session);
/* Forgets all but the first `length` tokens, or more if the layers cannot go back to exactly there. *left (may be NULL)
 * becomes the number of tokens left. */
gremium_status gremium_session_truncate(gremium_session* session, int64_t length, int64_t* left, char** error);
/* For models with an encoder: encodes the source that the following tokens depend on, and empties the context. */
gremium_status gremium_session_read_source(gremium_session* session, const int32_t* tokens, size_t count, char** error);
/* Replaces steering, hook and trace; NULL: none. The context is emptied if the steering differs. */
gremium_status gremium_session_steer(gremium_session* session, const gremium_steering* steering,
                                     const gremium_hook* hook, gremium_trace* trace, char** error);

/* Begin with gremium_default_generate_options(). */
typedef struct gremium_generate_options {
    int64_t max_tokens;
    float temperature;  /* 0: always the most probable token */
    int32_t top_k;      /* 0: all */
    float top_p, min_p; /* 1 and 0: all */
    float repetition_penalty;
    int32_t repetition_window;
    uint64_t seed;
    const char* const* stops; /* stop texts: the answer ends before the first one that appears */
    size_t stop_count;
    bool ignore_end; /* continue after a token that ends an answer */
} gremium_generate_options;
gremium_generate_options gremium_default_generate_options(void);

typedef enum gremium_finish {
    GREMIUM_FINISH_END = 0,       /* the model ended its answer */
    GREMIUM_FINISH_STOP = 1,      /* a stop text appeared */
    GREMIUM_FINISH_LENGTH = 2,    /* max_tokens was reached */
    GREMIUM_FINISH_CONTEXT = 3,   /* the context is full */
    GREMIUM_FINISH_CALLBACK = 4,  /* on_text returned false */
    GREMIUM_FINISH_CANCELLED = 5, /* by gremium_scheduler_cancel, or closed */
    GREMIUM_FINISH_FAILED = 6     /* gremium_scheduler_step failed */
} gremium_finish;

/* Called for each generated token. `text` holds the characters that are now complete and certain to belong to the
 * answer; it is often empty. It also ends with a zero byte and is valid during the call. Return false to end the
 * answer. */
typedef bool (*gremium_on_text)(void* user, const char* text, size_t length, int32_t token);

typedef struct gremium_answer {
    const char* text; /* ends with a zero byte */
    size_t length;
    const int32_t* tokens;
    size_t token_count;
    gremium_finish finish;
} gremium_answer;

/* Syncs to the prompt and continues it. NULL options: the defaults; on_text and answer may be NULL. The pointers in
 * *answer belong to the session and are valid until it generates again or is closed. */
gremium_status gremium_session_generate(gremium_session* session, const int32_t* prompt, size_t count,
                                        const gremium_generate_options* options, gremium_on_text on_text, void* user,
                                        gremium_answer* answer, char** error);

/* ---- Scheduler: many requests that decode together --------------------------------------------------------------- */

typedef struct gremium_scheduler gremium_scheduler;

/* Begin with gremium_default_scheduler_options(). */
typedef struct gremium_scheduler_options {
    int64_t sequences;     /* requests that run at the same time; the others wait */
    int64_t context;       /* tokens per sequence; 0: the model's context, or what fits into memory if that is less */
    int64_t prefill_chunk; /* prompt tokens that a step evaluates in addition to the sequences that decode */
    int64_t memory;        /* limit for contexts and activations in bytes; 0: half of the memory that is free now */
    gremium_cache_type cache;
    gremium_arithmetic arithmetic;
} gremium_scheduler_options;
gremium_scheduler_options gremium_default_scheduler_options(void);

/* NULL options: the defaults. */
gremium_status gremium_scheduler_open(const gremium_engine* engine, const gremium_scheduler_options* options,
                                      gremium_scheduler** scheduler, char** error);
/* Requests that have not ended end as cancelled; their callbacks are called. */
void gremium_scheduler_close(gremium_scheduler* scheduler);

/* Called once, when a request ends. The answer is valid during the call. */
typedef void (*gremium_on_finish)(void* user, const gremium_answer* answer);

typedef struct gremium_request {
    const int32_t* prompt;
    size_t prompt_count;
    const int32_t* source; /* input of the encoder, for models that have one; otherwise NULL */
    size_t source_count;
    const gremium_generate_options* generate; /* NULL: the defaults */
    const gremium_steering* steering;         /* for this request only; NULL: none */
    const gremium_hook* hook;                 /* for this request only; NULL: none */
    gremium_trace* trace;                     /* for this request only; NULL: none */
    /* Called by gremium_scheduler_step(); each may be NULL. They may call only submit and cancel of the scheduler. */
    gremium_on_text on_text;
    gremium_on_finish on_finish;
    void* user; /* passed to the callbacks; must stay valid until on_finish returns */
} gremium_request;

/* Thread-safe. *id (may be NULL) identifies the request. Requests begin in the order of submission. */
gremium_status gremium_scheduler_submit(gremium_scheduler* scheduler, const gremium_request* request, uint64_t* id,
                                        char** error);
/* Thread-safe. Takes effect at the next step; ids that are unknown or have ended are ignored. */
void gremium_scheduler_cancel(gremium_scheduler* scheduler, uint64_t id);
/* Evaluates one round for all running requests. *more becomes false when nothing is left to do. If it fails, all
 * running requests have ended as failed, and waiting ones are kept. */
gremium_status gremium_scheduler_step(gremium_scheduler* scheduler, bool* more, char** error);
/* Requests that run; call it between steps. */
int64_t gremium_scheduler_running(const gremium_scheduler* scheduler);
/* Requests that wait. Thread-safe. */
int64_t gremium_scheduler_waiting(const gremium_scheduler* scheduler);

/* ---- Versions of a model ----------------------------------------------------------------------------------------- */

typedef struct gremium_store gremium_store;

/* Creates a store whose first version is the model. Fails if the directory exists and is not empty. */
gremium_status gremium_store_create(const char* directory, const char* model_path, gremium_store** store, char** error);
gremium_status gremium_store_open(const char* directory, gremium_store** store, char** error);
void gremium_store_close(gremium_store* store);

/* A reference is HEAD (also NULL), the name of a branch, or at least the first four digits of a version's id. Each may
 * be followed by ~N: N versions before it. */

/* The id of a version. Free *id. */
gremium_status gremium_store_resolve(gremium_store* store, const char* reference, char** id, char** error);
/* Opens a version as a model. */
gremium_status gremium_store_open_version(gremium_store* store, const char* reference, gremium_engine** engine,
                                          char** error);

typedef struct gremium_version_info {
    const char *id, *parent, *date, *message; /* parent: "" for the first */
} gremium_version_info;
/* A version and its ancestors, latest first. Free *versions, which includes all texts, with one call. */
gremium_status gremium_store_log(gremium_store* store, const char* reference, gremium_version_info** versions,
                                 size_t* count, char** error);

/* Adds the model as the next version on HEAD's branch. Fails if the model is not a variant of the base model or does
 * not differ from HEAD. Free *id (may be NULL). */
gremium_status gremium_store_commit(gremium_store* store, const gremium_engine* model, const char* message, char** id,
                                    char** error);
/* Adds a version that undoes another one. Fails if later versions changed the same things. Free *id (may be NULL). */
gremium_status gremium_store_revert(gremium_store* store, const char* reference, const char* message, char** id,
                                    char** error);
/* Creates a branch that begins at a version. */
gremium_status gremium_store_create_branch(gremium_store* store, const char* name, const char* reference, char** error);
gremium_status gremium_store_remove_branch(gremium_store* store, const char* name, char** error);
/* Makes a version HEAD. */
gremium_status gremium_store_check_out(gremium_store* store, const char* reference, char** error);

typedef struct gremium_expert_change {
    int32_t layer, expert;
    double weights, router_row; /* relative change, |after - before| / |before| */
    double bias;                /* of the router: after - before */
} gremium_expert_change;
/* The experts that differ between two versions. Free *changes. */
gremium_status gremium_store_difference(gremium_store* store, const char* before, const char* after,
                                        gremium_expert_change** changes, size_t* count, char** error);
/* Reads everything, including the base model. *text lists the problems found, one line each; "" if there are none. Free
 * *text. */
gremium_status gremium_store_problems(gremium_store* store, char** text, char** error);
/* Removes everything that no branch reaches. *bytes (may be NULL) becomes the number of bytes freed. */
gremium_status gremium_store_collect_garbage(gremium_store* store, int64_t* bytes, char** error);

#ifdef __cplusplus
}
#endif

#endif
