/** test/vectors/sshsig.json and admin-statements.json; ssh-keygen says the same of what is accepted. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { requireApprovals } from '../../enclave/core/approvals.ts';
import { equalBytes, fromHex, utf8 } from '../../enclave/wire/bytes.ts';
import { Refusal } from '../../enclave/wire/error-code.ts';
import { parseEmergency } from '../../enclave/wire/policy/emergency.ts';
import { SignedJsonError } from '../../enclave/wire/signed-json.ts';
import { parseSshKeyLine } from '../../enclave/wire/ssh-key.ts';
import { SshError } from '../../enclave/wire/ssh-reader.ts';
import {
  armored,
  checkSshsig,
  parseSshsig,
  type SshsigNamespace,
} from '../../enclave/wire/sshsig.ts';
import { SSH_CRYPTO } from '../../src/verifier/web-crypto.ts';
import { outputOf, readVectors, thrown } from '../support/vectors.ts';

interface SignatureInput {
  readonly key: string;
  readonly namespace: SshsigNamespace;
  readonly document: string;
  readonly signature: string;
}

const signatures = readVectors<SignatureInput>('sshsig.json');

async function refusal(run: () => Promise<unknown>): Promise<Refusal | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

describe('sshsig.json', () => {
  it.each(signatures)('$id: $comment', async ({ input, expect: wanted }) => {
    const refused = await refusal(() =>
      requireApprovals([fromHex(input.signature)], {
        namespace: input.namespace,
        document: utf8(input.document),
        admins: [{ name: 'admin', key: parseSshKeyLine(input.key) }],
        threshold: 1,
      }),
    );
    const details = { field: 'approvals/0', actual: wanted };
    if (wanted === 'accept') expect(refused).toBeUndefined();
    else expect(refused).toMatchObject({ reason: 'APPROVAL_INVALID', details });
  });
});

describe('sshsig.json, with the Web Crypto of verifiers', () => {
  async function found(input: SignatureInput): Promise<string> {
    try {
      const signature = parseSshsig(fromHex(input.signature));
      const document = utf8(input.document);
      const holds = await checkSshsig(signature, input.namespace, document, SSH_CRYPTO);
      if (!equalBytes(signature.key.blob, parseSshKeyLine(input.key).blob)) return 'not-an-admin';
      return holds ? 'accept' : 'signature';
    } catch (error) {
      if (error instanceof SshError) return error.problem;
      throw error;
    }
  }

  it.each(signatures)('$id: $comment', async ({ input, expect: wanted }) => {
    expect(await found(input)).toBe(wanted);
  });
});

const hasSshKeygen = spawnSync('ssh-keygen', ['-Y']).error === undefined;
if (!hasSshKeygen)
  process.stderr.write('SKIPPED: ssh-keygen (Debian: openssh-client) is missing\n');

describe.skipIf(!hasSshKeygen)('ssh-keygen -Y verify', () => {
  function verified({ key, namespace, document, signature }: SignatureInput): boolean {
    const folder = mkdtempSync(join(tmpdir(), 'sshsig-'));
    try {
      const bytes = fromHex(signature);
      const text = bytes[0] === 0x2d ? new TextDecoder().decode(bytes) : armored(bytes);
      writeFileSync(join(folder, 'signers'), `admin ${key}\n`);
      writeFileSync(join(folder, 'sig'), text);
      const args = ['-Y', 'verify', '-f', 'signers', '-I', 'admin', '-n', namespace, '-s', 'sig'];
      execFileSync('ssh-keygen', args, { cwd: folder, input: document, stdio: 'pipe' });
      return true;
    } catch (error) {
      if (typeof (error as { status?: unknown }).status === 'number') return false;
      throw error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  it.each(signatures.filter((one) => one.expect === 'accept'))('accepts $id', ({ input }) => {
    expect(verified(input)).toBe(true);
  });

  it.each(
    signatures.filter((one) => ['signature', 'namespace', 'not-an-admin'].includes(one.expect)),
  )('refuses $id', ({ input }) => {
    expect(verified(input)).toBe(false);
  });
});

interface StatementInput {
  readonly statement: string;
}
interface CountingInput {
  readonly namespace: SshsigNamespace;
  readonly document: string;
  readonly admins: readonly { readonly name: string; readonly key: string }[];
  readonly newcomers: readonly { readonly name: string; readonly key: string }[];
  readonly threshold: number;
  readonly approvals: readonly string[];
}

const all = readVectors<StatementInput | CountingInput, Readonly<Record<string, unknown>>>(
  'admin-statements.json',
);

describe('admin-statements.json', () => {
  const statements = all.flatMap((one) =>
    'statement' in one.input ? [{ ...one, input: one.input }] : [],
  );
  const countings = all.flatMap((one) =>
    'approvals' in one.input ? [{ ...one, input: one.input }] : [],
  );

  it.each(statements)('$id: $comment', (one) => {
    const error = thrown(() => parseEmergency(utf8(one.input.statement)));
    if (one.expect === 'accept') expect(error).toBeUndefined();
    else {
      expect(error).toBeInstanceOf(SignedJsonError);
      expect(error).toMatchObject(outputOf(one));
    }
  });

  it.each(countings)('$id: $comment', async (one) => {
    const { input } = one;
    const people = (list: CountingInput['admins']) =>
      list.map(({ name, key }) => ({ name, key: parseSshKeyLine(key) }));
    const names: string[] = [];
    const refused = await refusal(async () => {
      const approved = await requireApprovals(input.approvals.map(fromHex), {
        namespace: input.namespace,
        document: utf8(input.document),
        admins: people(input.admins),
        threshold: input.threshold,
        newcomers: people(input.newcomers),
      });
      names.push(...approved);
    });
    if (one.expect === 'accept') {
      expect(refused).toBeUndefined();
      expect({ names }).toEqual(outputOf(one));
    } else expect(refused).toMatchObject({ reason: one.expect, details: outputOf(one) });
  });

  it('has both kinds of cases', () => {
    expect(statements.length).toBeGreaterThan(20);
    expect(countings.length).toBeGreaterThan(15);
  });
});
