import { createHash } from 'node:crypto';

/** 16 bits a key and 4 of them set: one key in 400 that is not there is taken for one that may be. */
const BITS_PER_KEY = 16;
const BITS_SET = 4;
const MIN_BITS = 256;

/**
 * Keys that were added, as the bits of a Bloom filter (format 1: the bits, little-endian words, a power of
 * two of them): says of a key that was not added that it was not, mostly, and of one that was never.
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

  /** False: it was not added. True: it may have been. */
  mayHave(key: string): boolean {
    // What is damaged may hold any.
    return this.#words.length === 0 || this.#each(key, (word, mask) => ((this.#words[word] as number) & mask) !== 0);
  }

  format(): Buffer {
    const bytes = Buffer.alloc(this.#words.length * 4);
    for (const [i, word] of this.#words.entries()) bytes.writeUInt32LE(word, i * 4);
    return bytes;
  }

  /** The bits of a key, until one answers no. */
  #each(key: string, visit: (word: number, mask: number) => boolean): boolean {
    const digest = createHash('sha1').update(key, 'latin1').digest();
    for (let i = 0; i < BITS_SET; i++) {
      const bit = digest.readUInt32LE(i * 4) % (this.#words.length * 32);
      if (!visit(bit >>> 5, 1 << (bit & 31))) return false;
    }
    return true;
  }
}
