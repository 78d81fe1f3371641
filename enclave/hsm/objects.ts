/**
 * The token's private objects as one session sees them: found by class, CKA_PRIVATE=true and CKA_ID, exactly one
 * (PROTOCOLS §5). Without a PIN anybody can plant a public object, so nothing is ever found by label or without
 * CKA_PRIVATE.
 */
import type { ObjectAttributes } from '../wire/gen/sealwright/enclave/v1/hsm.ts';
import { CryptokiError, type Attribute, type Cryptoki, type Handle } from './cryptoki.ts';
import { Refusal } from './refusal.ts';
import { CKA, READ_BACK, wrongAttribute, type AttributeName } from './templates.ts';

/** Handles asked for in one C_FindObjects. */
const FIND_BATCH = 512;

/** A birth takes SoftHSM 16 ms; ten times that is enough on a busy machine. */
const MISSING_ATTEMPTS = 9;
const MISSING_PAUSE_MS = 20;

const CKR_ATTRIBUTE_SENSITIVE = 0x11;
const CKR_ATTRIBUTE_TYPE_INVALID = 0x12;

interface Entry {
  readonly handles: Handle[];
  /** Attributes were read back since the handle was found. */
  checked: boolean;
}

export class TokenObjects {
  readonly #module: Cryptoki;
  readonly #session: Handle;
  readonly #entries = new Map<string, Entry>();
  /** Per CKA_CLASS the attributes that this module knows: asking for an unknown one fails the whole call. */
  readonly #known = new Map<number, readonly AttributeName[]>();

  constructor(module: Cryptoki, session: Handle) {
    this.#module = module;
    this.#session = session;
  }

  /** One search for all; a search per object would cost as much each (SoftHSM: 30 ms at 1,000 objects). */
  sweep(): void {
    this.#entries.clear();
    for (const handle of this.#findAll()) {
      const found = this.#read(handle, ['CLASS', 'ID']);
      if (found === undefined) continue;
      const [objectClass, id] = found;
      if (objectClass === undefined || id === undefined) continue;
      const key = entryKey(numberOf(objectClass), id);
      const entry = this.#entries.get(key);
      if (entry === undefined) this.#entries.set(key, { handles: [handle], checked: false });
      else entry.handles.push(handle);
    }
  }

  /**
   * The one object of this class and CKA_ID. Before a handle is used for the first time, its attributes are checked
   * and `prove` is called with it. Throws Refusal.
   */
  require(objectClass: number, id: Uint8Array, prove?: (handle: Handle) => void): Handle {
    const key = entryKey(objectClass, id);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { handles: this.#searchPatiently(objectClass, id), checked: false };
      if (entry.handles.length === 0) throw new Refusal('object-missing');
      this.#entries.set(key, entry);
    }
    const [handle, second] = entry.handles;
    if (handle === undefined) throw new Refusal('object-missing');
    if (second !== undefined) {
      // Not kept: the second may be gone when somebody asks again.
      this.#entries.delete(key);
      throw new Refusal('object-ambiguous');
    }
    if (entry.checked) return handle;
    this.check(this.attributesOf(handle), objectClass, id);
    prove?.(handle);
    entry.checked = true;
    return handle;
  }

  /** Throws Refusal when an object is not what it was born as. */
  check(attributes: ObjectAttributes, objectClass: number, id: Uint8Array): void {
    const flags: Record<string, boolean> = {};
    for (const name of attributes.trueAttributes) flags[name] = true;
    for (const name of attributes.falseAttributes) flags[name] = false;
    const same = attributes.objectClass === objectClass && Buffer.compare(attributes.id, id) === 0;
    if (!same || wrongAttribute(flags) !== undefined) throw new Refusal('object-altered');
  }

  exists(objectClass: number, id: Uint8Array): boolean {
    return this.#search(objectClass, id).length > 0;
  }

  /** Destroys the private objects of every class with this CKA_ID; how many there were. */
  destroy(id: Uint8Array): number {
    const handles = this.#findAll([{ type: CKA.ID, value: Buffer.from(id) }]);
    for (const handle of handles) this.#module.C_DestroyObject(this.#session, handle);
    for (const key of [...this.#entries.keys()]) {
      if (key.endsWith(entryKey('', id))) this.#entries.delete(key);
    }
    return handles.length;
  }

  inventory(): ObjectAttributes[] {
    return this.#findAll().map((handle) => this.attributesOf(handle));
  }

  attributesOf(handle: Handle): ObjectAttributes {
    const [classValue] = this.#readOrThrow(handle, ['CLASS']);
    const objectClass = numberOf(classValue);
    let names = this.#known.get(objectClass) ?? this.#learn(handle, objectClass);
    let values = this.#read(handle, names);
    if (values === undefined) {
      names = this.#learn(handle, objectClass);
      values = this.#readOrThrow(handle, names);
    }
    const trueAttributes: string[] = [];
    const falseAttributes: string[] = [];
    let [id, label, keyType] = [new Uint8Array(0), '', 0];
    names.forEach((name, index) => {
      const value = values[index] ?? Buffer.alloc(0);
      if (name === 'ID') id = Uint8Array.from(value);
      else if (name === 'LABEL') label = value.toString('utf8');
      else if (name === 'KEY_TYPE') keyType = numberOf(value);
      // A CK_BBOOL is one byte; whatever is not counts as absent, and absent is refused.
      else if (value.length === 1) (value[0] === 0 ? falseAttributes : trueAttributes).push(name);
    });
    return { objectClass, id, label, keyType, trueAttributes, falseAttributes };
  }

  /** Attribute values of one object, in order. Throws CryptokiError. */
  read(handle: Handle, names: readonly AttributeName[]): Buffer[] {
    return this.#readOrThrow(handle, names);
  }

  #learn(handle: Handle, objectClass: number): readonly AttributeName[] {
    const wanted: readonly AttributeName[] = ['ID', 'LABEL', 'KEY_TYPE', ...READ_BACK];
    const known = wanted.filter((name) => this.#read(handle, [name]) !== undefined);
    this.#known.set(objectClass, known);
    return known;
  }

  /** undefined when the object lacks one of them (v3.1 §5.7.5). */
  #read(handle: Handle, names: readonly AttributeName[]): Buffer[] | undefined {
    try {
      return this.#readOrThrow(handle, names);
    } catch (error) {
      const lacks =
        error instanceof CryptokiError &&
        (error.rv === CKR_ATTRIBUTE_TYPE_INVALID || error.rv === CKR_ATTRIBUTE_SENSITIVE);
      if (lacks) return undefined;
      throw error;
    }
  }

  #readOrThrow(handle: Handle, names: readonly AttributeName[]): Buffer[] {
    const template = names.map((name) => ({ type: CKA[name] }));
    return this.#module
      .C_GetAttributeValue(this.#session, handle, template)
      .map(({ value }) => (Buffer.isBuffer(value) ? value : Buffer.alloc(0)));
  }

  /**
   * What another worker has just made may not be seen at once: SoftHSM finds the file before its bytes are all
   * there, and passes over it. So an object is missing only if it stays so.
   */
  #searchPatiently(objectClass: number, id: Uint8Array): Handle[] {
    for (let attempt = 1; ; attempt += 1) {
      const handles = this.#search(objectClass, id);
      if (handles.length > 0 || attempt === MISSING_ATTEMPTS) return handles;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, MISSING_PAUSE_MS);
    }
  }

  #search(objectClass: number, id: Uint8Array): Handle[] {
    return this.#findAll([
      { type: CKA.CLASS, value: objectClass },
      { type: CKA.ID, value: Buffer.from(id) },
    ]);
  }

  #findAll(conditions: readonly Attribute[] = []): Handle[] {
    const module = this.#module;
    module.C_FindObjectsInit(this.#session, [
      { type: CKA.TOKEN, value: true },
      { type: CKA.PRIVATE, value: true },
      ...conditions,
    ]);
    const all: Handle[] = [];
    for (;;) {
      const batch = module.C_FindObjects(this.#session, FIND_BATCH);
      all.push(...batch);
      // Fewer than asked for is not the end for every module; none is (v3.1 §5.7.8).
      if (batch.length === 0) break;
    }
    module.C_FindObjectsFinal(this.#session);
    return all;
  }
}

function entryKey(objectClass: number | '', id: Uint8Array): string {
  return `${String(objectClass)}:${Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1')}`;
}

/** A CK_ULONG; 0 for anything else. */
function numberOf(value: Buffer | undefined): number {
  return value?.length === 8 ? Number(value.readBigUInt64LE(0)) : 0;
}
