// Ciphertexts of ML-KEM-768 for the vectors of the hybrid suite, base64. They were made once, by OpenSSL, for the keys that
// scripts/vectors/session.ts derives: encapsulation takes no seed there, decapsulation gives the same secret each time.

/** To the enclave's HPKE key. */
export const TO_ENCLAVE_CIPHERTEXT = [
  '/P1HByGMfAsIHiw6AyUUshUt6L4YFyez2gPdiaTPbfXf6jPybMvVmqiEBqz1hOWBUXuyyx8SkgkaQ4uAj42RBOUeBsXl',
  '11/zDghMkoWKCKqyhrW5Dy2n/B68JaSVmhSzJWxSuRYbE+v0DbeY8/D24ZUzKD5/Jv5T0B33K4WMrv8sgkFr9AJK0wtY',
  'ldmMMTRoTLjz1atObqILMsHBdHqAzi7A410XKVNJL3ANk833aSPrL3q1wSwO6w9i79gJrRugJh66v5Hw/5nOysnM/JON',
  '8sUuRHfqzmuZ9PEPKjsWHSOM6ljPnZIPDC7OwAv7ue6FGviH08qV4CTzIeBa06oHqxeW0zQVmU5hFIPj8ZcXrEXySt/k',
  'iUKaGy4XzjRvlluf0LIEW+qzRaFQyyglr0pZsJOPjfzPIV/jEA8QLK6kPgLqWQ/21ObOtC5m7jB+7UjdySAEUDDwWFpA',
  'ucEJNchGI9NJ/E4mGRb6SngAe9YstomddwNG/EFsqnjpYB8F2hb7QO9yRqXdTB0hTgFysAVQYDYp4ErDzO2SDCUcsFEL',
  'dVcoS7T8Jp2TtxKYbBfGcSwdSujWbY3mX1URMAMPUnBUfEBDvb8NIEnahoC5eTARstBG2/dTNq3HrhHMn5ueEZ0Ikhp8',
  'ppDDZYXxB5SN1krL/NYNlggOx8Lm994UYjXTlgBEOeXbcv9VGN37be0e9EB7aIFPzOKfv4nmF91AjhZzyqSd4G0RcNqJ',
  '7VkT5RSU0HgxOWwyexSXpFZFtdQM8oloJVZ7Kv9IwndWEh8JC6iwAO/RzvDZk4AGRLKW2K1KGB3hjDmojpieNfXOpNAx',
  'PMtqENgJyiIn5aBxG0xSbPinPAVavHAnRwA625TlABLqGEbfHsk26YHpeBkqRXSToxLXbAP2tpVD5vyOzTa2CfyvBN3J',
  'XLjaOu78JkL0RYv4Ow5Zo+Bn6tROsPyHfIktn0RqfvoPOmFp5YBlYV6iQiCOjtHV4/LF6CfquyEJacje2+2j5ZOtkHc7',
  'arv9ZrnHTSybUywB/GoTbvdvIht2FCTmTrQ+iH2TBc3CGi1Xzx/tyc24KZkp5txwzoB+fSL/NoY1iIGi+zQREq5MRhUK',
  'aFtK6ljyudbXWEyyYiV/PbgfVuIDjZHyqRkEz5YFqlr4PlBjFcyxcMecRR0rloMxUwd+xmbUHC2n22BiEERUMu9YOL1k',
  'vYnTk//TOiJByLYdxCviT3sKj+ihele5t7zsiAkDsj2pr052w/512Esb0u14JTdGeeXv+HRrZ2SDRXsdurUent6NsUl2',
  'nMVjAxPAHH0DDRTbMAEQnj+r3XrWJRpQsSISFEOrDuvNAB32S4vfjzyx5RWWaS+6wK7BiiHUBr9MHBVS1Am2IdRGJ85T',
  'oR7H8W2BA9CNQYUNkRy2I1IvZGdmK5mlqYmSFIhc5pxxsISaBNZrYuQ7hDuwgI9kbH7cNj8=',
].join('');

/** To the client's one-time key. */
export const TO_CLIENT_CIPHERTEXT = [
  'NegoA607A1r2zDdXpK3CKCvcRWluxhArSAspszfuLQl+/yMgfEGIjSnYzRohHTMtbnJLu/f1WJF9JaruRny0zyp2eGA/',
  'RdZKsG05wLGXrX+v8NdcOT60wcUlFWmjrPzJHu8hHiWBnjif0yOwXlCd9F/mh2tULTzH79qz7yCS/5zu0hLBlr50GDTj',
  '8WLhdXhpXYIrVZnRTUIOA7K+iwFxT6f4gBeMaRIsJqBQ41G+/E6NsYqmBM10Hoaa8x8gphz23uBB/1ZXWXX8TZgFNGLl',
  'wtE8pqMCvIEsE2kTV8PQZiHS4z7hZAxnpPRWJ26PV5L4EuGK4rLofyYICa6h3TuwYGEY3DflgKO8JbuzxgiKbjyqzcGR',
  'zLN9Td5lbeLpaceaml5aAuZLaq0JD+wOWMSFIbRFHQssQlUIjZHjJ6MuIWFyR/kctOptskRe8EHvoZD6s+OU/HCpT+2+',
  'VvtKyvxVXB7WutHKGrejY6IGHAVxZLgOn/lahlQIkHOlrb5Xv80mQf33amqT1aClZlq4bx5V8zG7UjedR2ck5x+uIaRd',
  'WP8Rz3Ptsd1Lh7LZH93rsVzpX5C7jAdSfxSQAtfJZIZsLEsuwjaAWcBMkl1bcoJBuxW8xH7wxx899p6Rk6m5MBvRZl0W',
  'uHxUQBamIjwCNlnYLJc62+B2tqQK5IIPA7vYqI/4c6y3zFAodL144i8aXbIn6iDPLBB66k5EHc26h3h3BUlwrLR2mROY',
  'NzB8PI+hEnRPnI/PIx1yFB5eB/u/Md+FwaluUtkbohG+TBomRGem5r8A273+iyyRlNB+Lmv2h3BwVQ753zJdKQOe3KTl',
  'SOXeCbcILSUVaPIyligY2KXba1gU/ylNImpJ08dQ66mDAmqiz/VQ4ug+sipYd/YmAJtQOZ6M8JCLXmR5urgFDI3WgEpd',
  'eB4nPnJAEbyj7a5NXc0nFAdZ2bbsTQmVJ2h92+EKijLael/UDI7i6V1qGdzRbgFgW3gIii8qmrkk9vjkHfMjvjScJ0QH',
  'it1ySrcTwgcExcVocBXoqRy63iUkIWFCjHMUtTJP3IAyPEsjXwG7f4K1H0tfVosXm5eVcpmwzjsjVKyVdNpF4E5vfjM2',
  'JKv39hjfD2huTW0XHCdA0PN2osQk9Y7u6IvrQkq646YAWKjGzmZ7QX9w1EjCa0dvvvvFFPms97SBmJ2bcmwkG59LGxi8',
  '9iO8XxEgkv7KFeBhOzkbjpegPDoDmuANGqVRrdLi0hSUnYb/hw5Aqh2qttuyGLuPU2Qd0QS9tSK9UYr1uJIgviZh4IGp',
  '3Fv3C3+3EblZpwojYUsp0lm6IuM20wUQfKuNCDJZpNSy1ksk81EXF7wTuhhu0/qZPMVKzb24BINLiKW1OEcQyS7Rdfyc',
  'UFEHkbnIEPjqjxpVqnM1q81TrvwknqMV5wgNT7mbI2+T1yav0z3UQW4/pUpuX3IOTFdSrIM=',
].join('');
