import { type FileHandle, open } from 'node:fs/promises';
import type { DigestedStep } from './run-digest.js';

const FLUSH_BYTES = 256 * 1024;
const STEP_BYTES = 12;

/**
 * The digests of a run on disk, so that memory does not grow with the run. Each record begins with the number
 * of its steps. Then each step has the number of its name, the hash of its key and its own hash. All numbers
 * have 4 bytes, little-endian. Written once from the beginning, read from the beginning any number of times.
 */
export class DigestFile {
  readonly #path: string;
  readonly #names: string[] = [];
  readonly #ids = new Map<string, number>();
  #file: FileHandle | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async add(steps: readonly DigestedStep[]): Promise<void> {
    const bytes = Buffer.allocUnsafe(4 + STEP_BYTES * steps.length);
    let at = bytes.writeUInt32LE(steps.length, 0);
    for (const { name, key, hash } of steps) {
      at = bytes.writeUInt32LE(this.#idOf(name), at);
      at = bytes.writeInt32LE(key | 0, at);
      at = bytes.writeInt32LE(hash | 0, at);
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= FLUSH_BYTES) await this.#flush();
  }

  /** Ends the writing. */
  async end(): Promise<void> {
    await this.#flush();
    await this.#file?.close();
    this.#file = undefined;
  }

  /** The records' steps, in order. */
  async *read(): AsyncGenerator<readonly DigestedStep[]> {
    const file = await open(this.#path, 'r');
    try {
      let rest = Buffer.alloc(0);
      for await (const chunk of file.createReadStream({ highWaterMark: FLUSH_BYTES, autoClose: false })) {
        const bytes: Buffer = Buffer.concat([rest, chunk as Buffer]);
        let at = 0;
        for (;;) {
          const size = at + 4 <= bytes.length ? 4 + STEP_BYTES * bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY;
          if (at + size > bytes.length) break;
          yield this.#parse(bytes.subarray(at, at + size));
          at += size;
        }
        rest = bytes.subarray(at) as Buffer<ArrayBuffer>;
      }
    } finally {
      await file.close();
    }
  }

  #parse(bytes: Buffer): readonly DigestedStep[] {
    const steps: DigestedStep[] = [];
    for (let at = 4; at < bytes.length; at += STEP_BYTES)
      steps.push({
        name: this.#names[bytes.readUInt32LE(at)] as string,
        key: bytes.readInt32LE(at + 4),
        hash: bytes.readInt32LE(at + 8),
      });
    return steps;
  }

  #idOf(name: string): number {
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.#names.push(name) - 1;
      this.#ids.set(name, id);
    }
    return id;
  }

  async #flush(): Promise<void> {
    this.#file ??= await open(this.#path, 'w');
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    await this.#file.write(bytes);
  }
}
