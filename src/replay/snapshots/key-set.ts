import { createHash } from 'node:crypto';

/** 16 bits per key, of which 4 are set: about one absent key in 400 counts as possibly present. */
const BITS_PER_KEY = 16;
const BITS_SET = 4;
const MIN_BITS = 256;

/**
 * A set of keys as a Bloom filter (format 1: its bits as little-endian words; their number is a power of
 * two). It has no false negatives, and few false positives.
 */
export class KeySet {
  readonly #words: Uint32Array;

  private constructor(words: Uint32Array) {
    this.#words = words;
  }

  static of(keys: ReadonlySet<string>): KeySet {
    const bits = Math.max(MIN_BITS, 2 ** Math.ceil(Math.log2(keys.size * BITS_PER_KEY)));
    const set = new KeySet(new Uint32Array(bits / 32));
    for (const key of keys) {
      set.#each(key, (word, mask) => {
        set.#words[word] = (set.#words[word] as number) | mask;
        return true;
      });
    }
    return set;
  }

  static parse(bytes: Buffer): KeySet {
    const words = new Uint32Array(Math.floor(bytes.length / 4));
    for (let i = 0; i < words.length; i++) words[i] = bytes.readUInt32LE(i * 4);
    return new KeySet(words);
  }

  /** False: the key was not added. True: it may have been. */
  mayHave(key: string): boolean {
    // A damaged set may hold any key.
    return this.#words.length === 0 || this.#each(key, (word, mask) => ((this.#words[word] as number) & mask) !== 0);
  }

  format(): Buffer {
    const bytes = Buffer.alloc(this.#words.length * 4);
    for (const [i, word] of this.#words.entries()) bytes.writeUInt32LE(word, i * 4);
    return bytes;
  }

  /** Visits the bits of a key, until `visit` returns false. */
  #each(key: string, visit: (word: number, mask: number) => boolean): boolean {
    const digest = createHash('sha1').update(key, 'latin1').digest();
    for (let i = 0; i < BITS_SET; i++) {
      const bit = digest.readUInt32LE(i * 4) % (this.#words.length * 32);
      if (!visit(bit >>> 5, 1 << (bit & 31))) return false;
    }
    return true;
  }
}
