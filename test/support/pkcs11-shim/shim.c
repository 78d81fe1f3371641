/*
 * A PKCS#11 module for tests that passes every call on to a real one, and misbehaves where it is told to.
 *
 * REAL_MODULE (name of the real module, to which this one is linked) and SHIM_FOLDER (path of the control folder) are
 * given to the compiler: the environment of an HSM worker is a measured list in which nothing may stand for the sake of
 * a test.
 *
 * SHIM_FOLDER/scenario, read again at each call, has a rule a line:
 *
 *   FUNCTION FIRST COUNT ACTION [ARGUMENT [ARGUMENT]]
 *
 * It holds for the calls FIRST to FIRST + COUNT - 1 of this function, counted from 1 over all processes; COUNT 0 means
 * for ever. SHIM_FOLDER/counts is made by the test and shared by all processes: records of a name (24 bytes,
 * zero-padded) and a counter (8 bytes), one for each function of FUNCTIONS, and "fired" for rules that had an effect.
 *
 * Actions before the call, which is then not made:
 *   rv N            returns N                hang          never returns
 *   delay MS        waits, then makes it     abort, segv   dies by this signal
 *   exit N          ends the process
 * Actions after the call:
 *   rv-after N      what was done stays done, and N is returned
 *   flip BYTE       C_Sign: one bit of this byte        zero    C_Sign: all bytes
 *   short, long     C_Sign: a byte less or more         reuse   C_Sign: the signature of the call before
 *   other-data      C_Sign: a signature over other data of the same length
 *   other-key ID    C_Sign: a valid signature by the private key of this CKA_ID (hex)
 *   truncate N      C_FindObjects: N handles, and no more after them
 *   double          C_FindObjects: each handle twice (as far as there is room)
 *   alias ID        C_FindObjects: the handle of the private key of this CKA_ID in place of each
 *   attribute T V   C_GetAttributeValue: attribute T (hex) has the value V (hex), as far as there is room
 *   flags N         C_GetTokenInfo: these flags too     serial TEXT   C_GetTokenInfo: another serial number
 *   state N         C_GetSessionInfo: this state        none          C_GetSlotList: no slot
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "functions.h"

enum function_id {
#define ID(name, place, parameters, arguments) ID_##name,
  FUNCTIONS(ID)
#undef ID
  FUNCTION_COUNT,
  FIRED = FUNCTION_COUNT
};

static const char *const NAMES[] = {
#define NAME(name, place, parameters, arguments) #name,
  FUNCTIONS(NAME)
#undef NAME
  "fired"
};

struct counter {
  char name[24];
  unsigned long long value;
};

/* What one call has to do beside its work. */
struct rule {
  char action[16];
  char first[128];
  char second[128];
};

static struct ck_function_list *real;
static struct ck_function_list own;
static struct counter *counters[FUNCTION_COUNT + 1];

/* What C_SignInit was given last: a second signature needs it. */
static struct ck_mechanism mechanism_in_use;
static ck_byte parameter_in_use[64];
static ck_handle key_in_use;
static ck_byte last_signature[1024];
static ck_ulong last_signature_length;
/* After `truncate`: this search has no more results. */
static int search_is_over;

#define TYPE(name, place, parameters, arguments) typedef ck_rv (*name##_type) parameters;
FUNCTIONS(TYPE)
#undef TYPE

#define CALL(name, place) ((name##_type)real->function[place])

static unsigned long number(const char *text) { return strtoul(text, NULL, 0); }

static size_t from_hex(const char *text, ck_byte *out, size_t room) {
  size_t length = 0;
  unsigned int octet;
  while (length < room && text[0] != '\0' && text[1] != '\0' && sscanf(text, "%2x", &octet) == 1) {
    out[length++] = (ck_byte)octet;
    text += 2;
  }
  return length;
}

/* The test makes the records; false when one is missing. */
static int find_counters(void) {
  const size_t records = FUNCTION_COUNT + 1;
  int file = open(SHIM_FOLDER "/counts", O_RDWR);
  if (file < 0) return 0;
  struct counter *map = mmap(NULL, records * sizeof *map, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (map == MAP_FAILED) return 0;
  for (size_t id = 0; id < records; id++) {
    for (size_t i = 0; i < records; i++)
      if (strncmp(map[i].name, NAMES[id], sizeof map[i].name) == 0) counters[id] = &map[i];
    if (counters[id] == NULL) return 0;
  }
  return 1;
}

static unsigned long long count(int id) {
  return __atomic_add_fetch(&counters[id]->value, 1, __ATOMIC_SEQ_CST);
}

static void fired(void) { count(FIRED); }

/* Counts the call; the rule of the scenario that holds for it, without an action when there is none. */
static struct rule find_rule(enum function_id id) {
  const struct rule none = { "", "", "" };
  struct rule rule = none;
  unsigned long long call = count(id);
  FILE *scenario = fopen(SHIM_FOLDER "/scenario", "re");
  if (scenario == NULL) return none;
  char line[512];
  int found = 0;
  while (!found && fgets(line, sizeof line, scenario) != NULL) {
    char name[32];
    unsigned long long first, calls;
    rule = none;
    if (sscanf(line, "%31s %llu %llu %15s %127s %127s", name, &first, &calls, rule.action,
               rule.first, rule.second) < 4)
      continue;
    found = strcmp(name, NAMES[id]) == 0 && call >= first && (calls == 0 || call < first + calls);
  }
  fclose(scenario);
  return found ? rule : none;
}

static int is(const struct rule *rule, const char *action) {
  return strcmp(rule->action, action) == 0;
}

/* Whether the call must not be made; `rv` is then what to return. */
static int before(const struct rule *rule, ck_rv *rv) {
  if (is(rule, "rv")) {
    fired();
    *rv = number(rule->first);
    return 1;
  }
  if (is(rule, "delay")) {
    fired();
    unsigned long ms = number(rule->first);
    struct timespec time = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000L };
    nanosleep(&time, NULL);
  } else if (is(rule, "hang")) {
    fired();
    for (;;) pause();
  } else if (is(rule, "abort")) {
    fired();
    abort();
  } else if (is(rule, "segv")) {
    fired();
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  } else if (is(rule, "exit")) {
    fired();
    _exit((int)number(rule->first));
  }
  return 0;
}

/* The private key of this CKA_ID, past the rules; 0 when there is none. */
static ck_handle private_key_of(ck_handle session, const char *hex) {
  ck_byte id[64];
  ck_ulong class = CKO_PRIVATE_KEY;
  struct ck_attribute template[] = {
    { CKA_CLASS, &class, sizeof class },
    { CKA_ID, id, from_hex(hex, id, sizeof id) },
  };
  ck_handle found = 0;
  ck_ulong count = 0;
  if (CALL(C_FindObjectsInit, 26)(session, template, 2) != CKR_OK) return 0;
  if (CALL(C_FindObjects, 27)(session, &found, 1, &count) != CKR_OK || count == 0) found = 0;
  CALL(C_FindObjectsFinal, 28)(session);
  return found;
}

/* `rv` is what the real module returned. */
static ck_rv after(const struct rule *rule, ck_rv rv) {
  if (!is(rule, "rv-after")) return rv;
  fired();
  return number(rule->first);
}

/* How every function begins. */
#define ENTER(name) \
  struct rule rule = find_rule(ID_##name); \
  ck_rv rv; \
  if (before(&rule, &rv)) return rv

#define SHIM_PLAIN(name, place, parameters, arguments) \
  static ck_rv shim_##name parameters { \
    ENTER(name); \
    rv = CALL(name, place) arguments; \
    return after(&rule, rv); \
  }
PLAIN_FUNCTIONS(SHIM_PLAIN)
#undef SHIM_PLAIN

static ck_rv shim_C_GetSlotList(ck_byte present, ck_ulong *slots, ck_ulong *count) {
  ENTER(C_GetSlotList);
  rv = CALL(C_GetSlotList, 4)(present, slots, count);
  if (rv == CKR_OK && is(&rule, "none")) {
    *count = 0;
    fired();
  }
  return after(&rule, rv);
}

static ck_rv shim_C_GetTokenInfo(ck_ulong slot, struct ck_token_info *info) {
  ENTER(C_GetTokenInfo);
  rv = CALL(C_GetTokenInfo, 6)(slot, info);
  if (rv == CKR_OK && is(&rule, "flags")) {
    info->flags |= number(rule.first);
    fired();
  } else if (rv == CKR_OK && is(&rule, "serial")) {
    size_t length = strlen(rule.first);
    memset(info->serial, ' ', sizeof info->serial);
    memcpy(info->serial, rule.first, length < sizeof info->serial ? length : sizeof info->serial);
    fired();
  }
  return after(&rule, rv);
}

static ck_rv shim_C_GetSessionInfo(ck_handle session, struct ck_session_info *info) {
  ENTER(C_GetSessionInfo);
  rv = CALL(C_GetSessionInfo, 15)(session, info);
  if (rv == CKR_OK && is(&rule, "state")) {
    info->state = number(rule.first);
    fired();
  }
  return after(&rule, rv);
}

static ck_rv shim_C_GetAttributeValue(ck_handle session, ck_handle object,
                                      struct ck_attribute *template, ck_ulong count) {
  ENTER(C_GetAttributeValue);
  rv = CALL(C_GetAttributeValue, 24)(session, object, template, count);
  if (rv == CKR_OK && is(&rule, "attribute")) {
    ck_byte value[128];
    size_t length = from_hex(rule.second, value, sizeof value);
    for (ck_ulong i = 0; i < count; i++) {
      /* The first of the two calls asks for lengths only. */
      if (template[i].type != strtoul(rule.first, NULL, 16) || template[i].value == NULL) continue;
      if (template[i].length > length) template[i].length = length;
      memcpy(template[i].value, value, template[i].length);
      fired();
    }
  }
  return after(&rule, rv);
}

static ck_rv shim_C_FindObjectsInit(ck_handle session, struct ck_attribute *template,
                                    ck_ulong count) {
  ENTER(C_FindObjectsInit);
  search_is_over = 0;
  rv = CALL(C_FindObjectsInit, 26)(session, template, count);
  return after(&rule, rv);
}

static ck_rv shim_C_FindObjects(ck_handle session, ck_handle *found, ck_ulong most,
                                ck_ulong *count) {
  ENTER(C_FindObjects);
  rv = CALL(C_FindObjects, 27)(session, found, most, count);
  if (rv == CKR_OK && search_is_over) *count = 0;
  if (rv != CKR_OK) return after(&rule, rv);
  if (is(&rule, "truncate")) {
    ck_ulong left = number(rule.first);
    if (*count > left) {
      *count = left;
      fired();
    }
    search_is_over = 1;
  } else if (is(&rule, "double") && *count > 0) {
    ck_ulong once = *count < most / 2 ? *count : most / 2;
    memcpy(found + once, found, once * sizeof *found);
    *count = 2 * once;
    fired();
  } else if (is(&rule, "alias") && *count > 0) {
    /* A session has one search: this one is ended, the other made, and this one begun again. */
    CALL(C_FindObjectsFinal, 28)(session);
    ck_handle other = private_key_of(session, rule.first);
    struct ck_attribute none;
    CALL(C_FindObjectsInit, 26)(session, &none, 0);
    search_is_over = 1;
    for (ck_ulong i = 0; i < *count; i++) found[i] = other;
    fired();
  }
  return after(&rule, rv);
}

static ck_rv shim_C_SignInit(ck_handle session, struct ck_mechanism *mechanism, ck_handle key) {
  ENTER(C_SignInit);
  mechanism_in_use = *mechanism;
  if (mechanism->parameter_length <= sizeof parameter_in_use && mechanism->parameter != NULL) {
    memcpy(parameter_in_use, mechanism->parameter, mechanism->parameter_length);
    mechanism_in_use.parameter = parameter_in_use;
  }
  key_in_use = key;
  rv = CALL(C_SignInit, 42)(session, mechanism, key);
  return after(&rule, rv);
}

static ck_rv sign_again(ck_handle session, ck_handle key, ck_byte *data, ck_ulong length,
                        ck_byte *signature, ck_ulong *out, ck_ulong room) {
  ck_rv rv = CALL(C_SignInit, 42)(session, &mechanism_in_use, key);
  *out = room;
  return rv == CKR_OK ? CALL(C_Sign, 43)(session, data, length, signature, out) : rv;
}

static ck_rv corrupt_signature(const struct rule *rule, ck_handle session, ck_byte *data,
                               ck_ulong length, ck_byte *signature, ck_ulong *out, ck_ulong room) {
  if (is(rule, "flip")) {
    signature[number(rule->first) % *out] ^= 1;
  } else if (is(rule, "zero")) {
    memset(signature, 0, *out);
  } else if (is(rule, "short")) {
    *out -= 1;
  } else if (is(rule, "long") && *out < room) {
    signature[(*out)++] = 0x5a;
  } else if (is(rule, "reuse") && last_signature_length > 0) {
    memcpy(signature, last_signature, last_signature_length);
    *out = last_signature_length;
  } else if (is(rule, "other-data")) {
    ck_byte other[65536];
    if (length == 0 || length > sizeof other) return CKR_GENERAL_ERROR;
    memcpy(other, data, length);
    other[length - 1] ^= 1;
    fired();
    return sign_again(session, key_in_use, other, length, signature, out, room);
  } else if (is(rule, "other-key")) {
    ck_handle other = private_key_of(session, rule->first);
    if (other == 0) return CKR_GENERAL_ERROR;
    fired();
    return sign_again(session, other, data, length, signature, out, room);
  } else {
    return CKR_OK;
  }
  fired();
  return CKR_OK;
}

static ck_rv shim_C_Sign(ck_handle session, ck_byte *data, ck_ulong length, ck_byte *signature,
                         ck_ulong *out) {
  ck_ulong room = *out;
  ENTER(C_Sign);
  rv = CALL(C_Sign, 43)(session, data, length, signature, out);
  if (rv == CKR_OK)
    rv = corrupt_signature(&rule, session, data, length, signature, out, room);
  if (rv == CKR_OK && signature != NULL && *out <= sizeof last_signature) {
    memcpy(last_signature, signature, *out);
    last_signature_length = *out;
  }
  return after(&rule, rv);
}

/* Functions that no worker calls are the real ones: whoever calls them is not watched. */
__attribute__((visibility("default"))) ck_rv C_GetFunctionList(struct ck_function_list **list) {
  if (real == NULL) {
    void *module = dlopen(REAL_MODULE, RTLD_NOW | RTLD_LOCAL);
    ck_rv (*get_list)(struct ck_function_list **) = NULL;
    if (module != NULL) *(void **)&get_list = dlsym(module, "C_GetFunctionList");
    const struct rlimit no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    if (!find_counters() || get_list == NULL || get_list(&real) != CKR_OK) return CKR_GENERAL_ERROR;
    own = *real;
#define PUT(name, place, parameters, arguments) \
  own.function[place] = (void (*)(void))shim_##name;
    FUNCTIONS(PUT)
#undef PUT
  }
  *list = &own;
  return CKR_OK;
}
