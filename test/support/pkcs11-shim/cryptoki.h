/*
 * The part of PKCS#11 v3.1 that the shim names. Numbers and the order of the function list are those of the standard
 * (§3, §5; the list is that of version 2.40, which every module offers); the declarations are our own.
 */
#ifndef SEALWRIGHT_SHIM_CRYPTOKI_H
#define SEALWRIGHT_SHIM_CRYPTOKI_H

typedef unsigned char ck_byte;
typedef unsigned long ck_ulong;
typedef ck_ulong ck_rv;
typedef ck_ulong ck_handle;

struct ck_attribute {
  ck_ulong type;
  void *value;
  ck_ulong length;
};

struct ck_mechanism {
  ck_ulong mechanism;
  void *parameter;
  ck_ulong parameter_length;
};

/* CK_TOKEN_INFO up to the members that are changed. */
struct ck_token_info {
  ck_byte label[32];
  ck_byte manufacturer[32];
  ck_byte model[16];
  ck_byte serial[16];
  ck_ulong flags;
};

/* CK_SESSION_INFO. */
struct ck_session_info {
  ck_ulong slot;
  ck_ulong state;
  ck_ulong flags;
  ck_ulong device_error;
};

/* CK_FUNCTION_LIST: a version of two bytes, padded to a pointer, then the functions in their order. */
#define CK_FUNCTIONS 68

struct ck_function_list {
  ck_byte version[2];
  void (*function[CK_FUNCTIONS])(void);
};

#define CKR_OK 0UL
#define CKR_GENERAL_ERROR 5UL
#define CKA_CLASS 0x0UL
#define CKA_ID 0x102UL
#define CKO_PRIVATE_KEY 3UL

#endif
