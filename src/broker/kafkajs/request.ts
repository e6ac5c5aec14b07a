import type { BytesReader, BytesWriter } from './bytes.js';
import type { Concerned } from './rights.js';

/** One request of Kafka's protocol, in one version, and how its answer is read. */
export interface Request<R> {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  /** Named in errors if something is not allowed with it. */
  readonly concerned?: Concerned;
  /** How long the answer may take; default 30 s. */
  readonly timeoutMs?: number;
  /** For large ones: how many bytes it will have. */
  readonly initialBytes?: number;
  write(to: BytesWriter): BytesWriter;
  read(from: BytesReader): R;
}
