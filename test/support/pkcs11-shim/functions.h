/* Every function that a worker calls, as lists for the preprocessor. */
#ifndef SEALWRIGHT_SHIM_FUNCTIONS_H
#define SEALWRIGHT_SHIM_FUNCTIONS_H

#include "cryptoki.h"

/* Name, place in the function list, parameters, arguments. These are passed on and nothing else... */
#define PLAIN_FUNCTIONS(X) \
  X(C_Initialize, 0, (void *arguments), (arguments)) \
  X(C_Finalize, 1, (void *reserved), (reserved)) \
  X(C_GetMechanismList, 7, (ck_ulong slot, ck_ulong *list, ck_ulong *count), (slot, list, count)) \
  X(C_GetMechanismInfo, 8, (ck_ulong slot, ck_ulong type, void *info), (slot, type, info)) \
  X(C_InitToken, 9, (ck_ulong slot, ck_byte *pin, ck_ulong length, ck_byte *label), \
    (slot, pin, length, label)) \
  X(C_InitPIN, 10, (ck_handle session, ck_byte *pin, ck_ulong length), (session, pin, length)) \
  X(C_OpenSession, 12, \
    (ck_ulong slot, ck_ulong flags, void *application, void *notify, ck_handle *session), \
    (slot, flags, application, notify, session)) \
  X(C_CloseSession, 13, (ck_handle session), (session)) \
  X(C_Login, 18, (ck_handle session, ck_ulong user, ck_byte *pin, ck_ulong length), \
    (session, user, pin, length)) \
  X(C_Logout, 19, (ck_handle session), (session)) \
  X(C_DestroyObject, 22, (ck_handle session, ck_handle object), (session, object)) \
  X(C_FindObjectsFinal, 28, (ck_handle session), (session)) \
  X(C_GenerateKey, 58, \
    (ck_handle session, struct ck_mechanism *mechanism, struct ck_attribute *template, \
     ck_ulong count, ck_handle *key), \
    (session, mechanism, template, count, key)) \
  X(C_GenerateKeyPair, 59, \
    (ck_handle session, struct ck_mechanism *mechanism, struct ck_attribute *public_template, \
     ck_ulong public_count, struct ck_attribute *private_template, ck_ulong private_count, \
     ck_handle *public_key, ck_handle *private_key), \
    (session, mechanism, public_template, public_count, private_template, private_count, \
     public_key, private_key))

/* ... and these also get wrong results. Together they are all that a worker calls. */
#define FUNCTIONS(X) \
  PLAIN_FUNCTIONS(X) \
  X(C_GetSlotList, 4, (ck_byte present, ck_ulong *slots, ck_ulong *count), (present, slots, count)) \
  X(C_GetTokenInfo, 6, (ck_ulong slot, struct ck_token_info *info), (slot, info)) \
  X(C_GetSessionInfo, 15, (ck_handle session, struct ck_session_info *info), (session, info)) \
  X(C_GetAttributeValue, 24, \
    (ck_handle session, ck_handle object, struct ck_attribute *template, ck_ulong count), \
    (session, object, template, count)) \
  X(C_FindObjectsInit, 26, (ck_handle session, struct ck_attribute *template, ck_ulong count), \
    (session, template, count)) \
  X(C_FindObjects, 27, (ck_handle session, ck_handle *found, ck_ulong most, ck_ulong *count), \
    (session, found, most, count)) \
  X(C_SignInit, 42, (ck_handle session, struct ck_mechanism *mechanism, ck_handle key), \
    (session, mechanism, key)) \
  X(C_Sign, 43, \
    (ck_handle session, ck_byte *data, ck_ulong length, ck_byte *signature, ck_ulong *out), \
    (session, data, length, signature, out))

#endif
