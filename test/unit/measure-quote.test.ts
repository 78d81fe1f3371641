import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isSecretLabel, derivePlatformSecret } from '../../src/simulator/platform-secret.ts';
import { encodeStatement, signQuote, type Statement } from '../../src/simulator/quote.ts';
import { readQuote } from '../support/quote-reader.ts';

interface QuoteCase {
  readonly id: string;
  readonly expect: string;
  readonly input: {
    readonly quote?: string;
    readonly attestationKey?: string;
    readonly rootSecret?: string;
    readonly measurements?: readonly [string, string, string];
    readonly svn?: number;
    readonly label?: string;
  };
  readonly output?: Readonly<Record<string, unknown>>;
}

const vectors = new URL('../vectors/simulated-quote.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(vectors, 'utf8')) as { cases: QuoteCase[] };
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const hex = (from: Uint8Array): string => Buffer.from(from).toString('hex');

async function verdict(input: QuoteCase['input']): Promise<string> {
  try {
    const quote = await readQuote(bytes(input.quote ?? ''), bytes(input.attestationKey ?? ''));
    if (!quote.signatureHolds) return 'SIGNATURE';
    return quote.debug ? 'DEBUG' : 'accept';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('vectors', () => {
  const quotes = cases.filter(({ input }) => input.quote !== undefined);
  it.each(quotes.map((one) => [one.id, one] as const))(
    '%s',
    async (_, { input, expect: expected, output }) => {
      expect(await verdict(input)).toBe(expected);
      if (output === undefined) return;
      const quote = await readQuote(bytes(input.quote ?? ''), bytes(input.attestationKey ?? ''));
      expect(quote).toMatchObject(output);
    },
  );

  const secrets = cases.filter(({ input }) => input.label !== undefined);
  it.each(secrets.map((one) => [one.id, one] as const))('%s', (_, { input, output }) => {
    const { label = '', rootSecret = '', measurements = ['', '', ''], svn = 0 } = input;
    if (!isSecretLabel(label)) {
      expect(output).toBeUndefined();
      return;
    }
    const [mr0, mr1, mr2] = measurements;
    const registers = [bytes(mr0), bytes(mr1), bytes(mr2)] as const;
    const secret = derivePlatformSecret(bytes(rootSecret), registers, svn, label);
    expect({ secret: hex(secret) }).toEqual(output);
  });
});

describe('a quote of the platform', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const digest = (name: string): Uint8Array =>
    Uint8Array.from(createHash('sha384').update(name).digest());
  const statement: Statement = {
    svn: 0xfffffffe,
    debug: false,
    platformId: digest('platform').slice(0, 32),
    registers: [digest('0'), digest('1'), digest('2')],
    reportData: Uint8Array.from({ length: 64 }, (_, i) => i),
  };

  it('is read back field by field', async () => {
    const quote = await readQuote(signQuote(statement, privateKey), spki);
    expect(quote).toEqual({
      svn: statement.svn,
      debug: false,
      platformId: hex(statement.platformId),
      measurements: statement.registers.map(hex),
      reportData: hex(statement.reportData),
      signatureHolds: true,
    });
  });

  it('loses its signature or its form with any flipped bit of any byte', async () => {
    const quote = signQuote(statement, privateKey);
    const surviving: number[] = [];
    for (let i = 0; i < quote.byteLength; i += 1) {
      const flipped = quote.map((byte, at) => (at === i ? byte ^ (1 << (i % 8)) : byte));
      const holds = await readQuote(flipped, spki).then(
        ({ signatureHolds }) => signatureHolds,
        () => false,
      );
      if (holds) surviving.push(i);
    }
    expect(surviving).toEqual([]);
  });

  it('takes fields of the exact length only', () => {
    expect(() => encodeStatement({ ...statement, reportData: new Uint8Array(63) })).toThrow(
      RangeError,
    );
    expect(() => encodeStatement({ ...statement, reportData: new Uint8Array(65) })).toThrow(
      RangeError,
    );
    expect(() => encodeStatement({ ...statement, platformId: new Uint8Array(31) })).toThrow(
      RangeError,
    );
    const [mr0, mr1] = statement.registers;
    const registers = [mr0, mr1, new Uint8Array(47)] as const;
    expect(() => encodeStatement({ ...statement, registers })).toThrow(RangeError);
  });
});
