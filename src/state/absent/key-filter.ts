/** 16 bits per key, of which 4 are set: about one absent key in 400 counts as possibly present. */
const BITS_PER_KEY = 16;
const BITS_SET = 4;
const FIRST_CAPACITY = 16 * 1024;
/** 8 MB. */
const MAX_KEYS = 4 * 1024 * 1024;

/** A part of the filter: keys that were added one after the other. */
interface Segment {
  readonly bits: Uint32Array;
  readonly mask: number;
  left: number;
  /** The latest expiry entry with keys in this segment. */
  lastSequence: number;
}

/**
 * A Bloom filter, in segments that double in size: it identifies most keys that were never added, without a
 * read of the database.
 *
 * Memory: 2 bytes per key, 8 MB at most: above 4 million keys the filter gives up, and returns "maybe" from
 * then on. Cost: a pass over the key's bytes, and one check per segment. Segments are dropped when all of
 * their keys have expired.
 */
export class KeyFilter {
  #segments: Segment[] = [];
  #keys = 0;
  #givenUp = false;
  /** The two hashes of the current key. */
  #first = 0;
  #second = 0;

  /** False once there are too many keys. */
  get useful(): boolean {
    return !this.#givenUp;
  }

  /** `sequence`: the expiry entry of the key, where rows expire. */
  add(key: Uint8Array, sequence = 0): void {
    if (this.#givenUp) return;
    let segment = this.#segments.at(-1);
    if (!segment || segment.left === 0) {
      if (this.#keys >= MAX_KEYS) {
        this.#givenUp = true;
        this.#segments = [];
        return;
      }
      segment = segmentFor(Math.max(FIRST_CAPACITY, 2 ** Math.floor(Math.log2(Math.max(1, this.#keys)))));
      this.#segments.push(segment);
    }
    this.#hash(key);
    const { bits, mask } = segment;
    for (let i = 0, at = this.#first; i < BITS_SET; i++, at += this.#second) {
      const bit = at & mask;
      bits[bit >>> 5] = (bits[bit >>> 5] as number) | (1 << (bit & 31));
    }
    segment.left--;
    segment.lastSequence = Math.max(segment.lastSequence, sequence);
    this.#keys++;
  }

  /** False: the key was not added. True: it may have been. */
  mayHold(key: Uint8Array): boolean {
    if (this.#givenUp) return true;
    this.#hash(key);
    for (const segment of this.#segments) if (this.#isSet(segment)) return true;
    return false;
  }

  /** Drops segments with keys only in expiry entries up to `sequence`. */
  forget(sequence: number): void {
    while (this.#segments.length > 0 && (this.#segments[0] as Segment).lastSequence <= sequence) {
      const [{ bits, left }] = this.#segments.splice(0, 1) as [Segment];
      this.#keys -= (bits.length * 32) / BITS_PER_KEY - left;
    }
  }

  #isSet({ bits, mask }: Segment): boolean {
    for (let i = 0, at = this.#first; i < BITS_SET; i++, at += this.#second) {
      const bit = at & mask;
      if (((bits[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }

  /** Two hashes in one pass, FNV-1a and a multiplicative one, each mixed at the end. */
  #hash(key: Uint8Array): void {
    let first = 0x811c9dc5;
    let second = 0x9747b28c;
    for (let i = 0; i < key.length; i++) {
      const byte = key[i] as number;
      first = Math.imul(first ^ byte, 0x01000193);
      second = Math.imul(second + byte, 0x5bd1e995) ^ (second >>> 15);
    }
    this.#first = mixed(first);
    // Odd, so that all bits of a key differ.
    this.#second = mixed(second) | 1;
  }
}

function segmentFor(capacity: number): Segment {
  const bits = new Uint32Array((capacity * BITS_PER_KEY) / 32);
  return { bits, mask: capacity * BITS_PER_KEY - 1, left: capacity, lastSequence: -1 };
}

/** The finalizer of MurmurHash3: every input bit affects every output bit. */
function mixed(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) & 0x3fffffff;
}
