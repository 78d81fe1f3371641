/**
 * Roots of hardware vendors, compiled in: subject, key and fingerprint, not files. Only evidence under one of
 * these is not simulated. Compare the fingerprints with those that the vendors publish:
 * AWS "Verifying the root of trust"; AMD KDS `cert_chain`, 57230; Intel `IntelSGXRootCA.der`.
 */
import { fromHex } from '../../enclave/wire/bytes.ts';
import { DerReader } from '../../enclave/wire/x509/der.ts';
import { readSubjectPublicKeyInfo } from '../../enclave/wire/x509/public-key.ts';
import {
  ECDSA_P256_SHA256,
  ECDSA_P384_SHA384,
  RSA_PSS_SHA384,
  type SignatureProfile,
} from './signature-profile.ts';
import { sameAnchor, type TrustAnchor } from './trust-anchor.ts';
import { CRL_SIGN, KEY_CERT_SIGN, readName } from '../../enclave/wire/x509/certificate.ts';

interface VendorRoot {
  readonly name: string;
  /** Formats that it vouches for. */
  readonly formats: readonly string[];
  /** SHA-256 over the DER of the root certificate. */
  readonly fingerprint: string;
  /** Name, DER as hex. */
  readonly subject: string;
  readonly subjectKeyId: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly pathLength?: number;
  readonly signature: SignatureProfile;
  /** SubjectPublicKeyInfo, DER as base64. */
  readonly publicKey: string;
}

const ROOTS: readonly VendorRoot[] = [
  {
    name: 'AWS Nitro Enclaves Root G1',
    formats: ['nitro'],
    fingerprint: '641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b',
    subject:
      '3049310b3009060355040613025553310f300d060355040a0c06416d617a6f6e310c300a060355040b0c03415' +
      '753311b301906035504030c126177732e6e6974726f2d656e636c61766573',
    subjectKeyId: '9025b50dd90547e796c396fa729dcf99a9df4b96',
    notBefore: '2019-10-28T13:28:05Z',
    notAfter: '2049-10-28T14:28:05Z',
    signature: ECDSA_P384_SHA384,
    publicKey:
      'MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE/AJU66YIwfNocOKa2pC+RjgyknNuiUv/9nLZiURLUFHlNKSx9tvjwLxYG' +
      'jK3sXYHDt4S1po/6iEbZudSz33R3QlfbxNw9BcIQ9ncEAEh5M9jASgJZkSHyXlihDBNxT/0',
  },
  {
    name: 'AMD ARK-Milan',
    formats: ['sev-snp'],
    fingerprint: '69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd',
    subject:
      '307b31143012060355040b0c0b456e67696e656572696e67310b3009060355040613025553311430120603550' +
      '4070c0b53616e746120436c617261310b300906035504080c024341311f301d060355040a0c16416476616e63' +
      '6564204d6963726f20446576696365733112301006035504030c0941524b2d4d696c616e',
    subjectKeyId: '85ac1ad143f7c8ac55d4c51d4148abd5784ad453',
    notBefore: '2020-10-22T17:23:05Z',
    notAfter: '2045-10-22T17:23:05Z',
    signature: RSA_PSS_SHA384,
    publicKey:
      'MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEA0Ld52RJOdeiJlqK2JdsVmD7FktuotWwX1fNgW41XY9Xz1' +
      'HEhSUmhLz9Cu9DHRlvgJSNxbeYYsnJfvyjx1MfU0V5tkKiU1EesNFta1kTA0szNisdYc9isqk7mXT5+KfGRbfc4V/' +
      '9zRIcE8jlHN61S1ju8X93+6dxDUrG2SzxqJ4BhqyYmUDruPXJSX4vUc01P7j98MpqOS95rORdGHeI52Naz5m2B+O+' +
      'vjsC060d37jY9LFeuOP4Meri8qgfi2S5kKqg/aF6aPtuAZQVR7u3KFYXP59XmJgtcog05gmI0T/OitLhuzVvpZcLp' +
      'h0odh/1IPXqx3+MnjD97A7fXpqGd/y8KxX7jksTEzAOgbKAeam3lm+3yKIcTYMlsRMXPcjNbIvmsBykD//xSniusu' +
      'HBkgnlENEWx1UcbQQrs+gVDkuVPhsnzIRNgYvM48Y+7LGiJYnrmE8xcrexekBxrva2V9TJQqnN3Q53kt5viQi3+gC' +
      'fmkwC0F0tirIZbLkXPrPwzZ0M9eNxhIySb2npJfgnqz55I0u33wh4r0ZNQeTGfw03MBUtyuzGesGkcw+loqMaq1qR' +
      '4tjGbPYxCvpCq7+OgpCCoMNit2uLo9M18fHz10lOMT8nWAUvRZFzteXCm+7PHdYPlmQwUw3LvenJ/ILXoQPHfbkH0' +
      'CyPfhl1jWhJFZasCAwEAAQ==',
  },
  {
    name: 'AMD ARK-Genoa',
    formats: ['sev-snp'],
    fingerprint: '4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1',
    subject:
      '307b31143012060355040b0c0b456e67696e656572696e67310b3009060355040613025553311430120603550' +
      '4070c0b53616e746120436c617261310b300906035504080c024341311f301d060355040a0c16416476616e63' +
      '6564204d6963726f20446576696365733112301006035504030c0941524b2d47656e6f61',
    subjectKeyId: '9f5df9fe0dd8f35ad0331a25ef81294fbe31a85b',
    notBefore: '2022-01-26T15:34:37Z',
    notAfter: '2047-01-26T15:34:37Z',
    signature: RSA_PSS_SHA384,
    publicKey:
      'MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEA3Cd95S/uFOuRIskW9vz9VDBF69NDQF79oRhL/L2PVQGhK' +
      '3YdfEBgpF/JiwWFBsT/fXDhzA01p3LkcT/7LdjcRfKXjHl+0Qq/M4dZkh6QDoUeKzNBLDcBKDDGWo3v35NyrxbA1D' +
      'nkYwUKU5AAk4P94tKXLp80oxt84ahyHoLmc/LqsGsp+oq1Bz4PPsYLwTG4iMKVaaT90/oZ4I8oibSru92vJhlqWO2' +
      '7d/Rxc3iUMyhNeGToOvgx/iUo4gGpG61NDpkEUvIzuKcaMx8IdTpWg2DF6SwF0IgVMffnvtJmA68BwJNWo1E4PLJd' +
      'aPfBifcJpuBFwNVQIPQEVX3aP89HJSp8YbY9lySS6PlVEqTBBtaQmi4ATGmMR+n2K/e+JAhU2Gj7jIpJhOkdH9fir' +
      'QDnmlA2SFfJ/Cc0mGNzW9RmIhyOUnNFoclmkRhl3/AQU5Ys9Qsan1jT/EiyT+pCpmnA+y9edvhDCbOG8F2oxHGRdT' +
      'BkylungrkXJGYiwGrR8kaiqv7NN8QhOBMqYjcbrkEr0f8QMKklIS5ruOfqlLMCBw8JLB3LkjpWgtD7OpxkzSsohN4' +
      '7Uom86RY6lp72g8eXHP1qYrnvhzaG1S70vw6OkbaaC9EjiH/uHgAJQGxon7u0Q7xgoREWA/e7JcBQwLg80Hq/sbRu' +
      'qesxz7wBWSY254cCAwEAAQ==',
  },
  {
    name: 'AMD ARK-Turin',
    formats: ['sev-snp'],
    fingerprint: '1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a',
    subject:
      '307b31143012060355040b0c0b456e67696e656572696e67310b3009060355040613025553311430120603550' +
      '4070c0b53616e746120436c617261310b300906035504080c024341311f301d060355040a0c16416476616e63' +
      '6564204d6963726f20446576696365733112301006035504030c0941524b2d547572696e',
    subjectKeyId: '64a05f71e30c0a64d83b75e501599e2bee060344',
    notBefore: '2023-05-15T20:03:12Z',
    notAfter: '2048-05-15T20:03:12Z',
    signature: RSA_PSS_SHA384,
    publicKey:
      'MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAwaAriB7EIuVc4ZB1wD3YfDxL+9eyS7+izm0Jj3W772NIN' +
      'CWl8Bj3w/JD2ZjmbRxWdIq/4d9iarCKorXloJUB1jRdgxqccTx1aOoig4+2w1XhVVJT7K457wT5ZLNJgQaxqa9Etk' +
      'wjd6+9sOhlCDE9l43kQ0R2BikVJa/uyyVOSwEk5w5tXKOuG9jvq6QtAMJasW38wlqRDaKEGtZ9VUgGon27ZuL4sTJ' +
      'uC/azz9/iQBw8kEilzOl95AiTkeY5jSEBDWbAqnZk5qlM7kISKG20kgQm14mhNKDI2p2oua+zuAG7i52epoRF2GfU' +
      '0TYk/yf+vCNB2tnechFQuP2e8bLk95ZdqPi9/UWw4JXjtdEA4u2JYplSSUPQVAXKt6LVqujtJcM59JKr2u0XQ75Kw' +
      'xcMp15gSXhBfInvPAwuAY4dEwwGqT8oIg4esPHwEsmChhYeDIxPG9R4fx9O0q6p8Gb+HXlTiS47P9YNeOpidOUKzD' +
      'l/S1OvyhDtSL8LJc24QATFydo/iD/KUdvFTRlD0crkAMkZLoWQ8hLDGc6BZJXsdd7Zf2e4UW3tI/1oh/2t23Ot3zy' +
      'hTcv5gDbABu0LjVe98uRnS15SMwK//lJt9e5BqKvgABkSoABf+B4VFtPVEX0ygrYaFaI9i5ABrxnVBmzXpRb21iI1' +
      'NlNCfOGUPIhVpWECAwEAAQ==',
  },
  {
    name: 'Intel SGX Root CA',
    formats: ['tdx', 'sgx'],
    fingerprint: '44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3',
    subject:
      '3068311a301806035504030c11496e74656c2053475820526f6f74204341311a3018060355040a0c11496e746' +
      '56c20436f72706f726174696f6e3114301206035504070c0b53616e746120436c617261310b30090603550408' +
      '0c024341310b3009060355040613025553',
    subjectKeyId: '22650cd65a9d3489f383b49552bf501b392706ac',
    notBefore: '2018-05-21T10:45:10Z',
    notAfter: '2049-12-31T23:59:59Z',
    pathLength: 1,
    signature: ECDSA_P256_SHA256,
    publicKey:
      'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj/iPWsCzaEKi71OiOSLRFhWGjbnBVJfVnkY4u3IjkD' +
      'YYL0MxO4mqsyYjlBalTVYxFP2sJBK5zlA==',
  },
];

function anchorsOf(root: VendorRoot): readonly TrustAnchor[] {
  const spki = Uint8Array.from(atob(root.publicKey), (character) => character.charCodeAt(0));
  const subject = readName(DerReader.open(fromHex(root.subject), 1024));
  const certificate = {
    subject,
    issuer: subject,
    signatureAlgorithm: root.signature.algorithm,
    publicKey: readSubjectPublicKeyInfo(spki),
    notBeforeMs: Date.parse(root.notBefore),
    notAfterMs: Date.parse(root.notAfter),
    basicConstraints: { ca: true, pathLength: root.pathLength, critical: true },
    keyUsage: new Set([KEY_CERT_SIGN, CRL_SIGN]),
    subjectKeyId: root.subjectKeyId,
    authorityKeyId: root.subjectKeyId,
    unknownCritical: [],
  };
  return root.formats.map((format) =>
    Object.freeze({
      name: root.name,
      format,
      certificate: undefined,
      fingerprint: root.fingerprint,
      parsed: certificate,
    }),
  );
}

export const VENDOR_ROOTS: readonly TrustAnchor[] = Object.freeze(ROOTS.flatMap(anchorsOf));

/** Only a compiled-in root makes evidence real; the claims have no say (PROTOCOLS §2). */
export function isVendorRoot(anchor: TrustAnchor): boolean {
  return VENDOR_ROOTS.some((root) => sameAnchor(root, anchor));
}
