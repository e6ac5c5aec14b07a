import type { BytesReader, BytesWriter } from './bytes.js';
import type { Concerned } from './rights.js';

/** One request of Kafka's protocol, in one version, and how its answer is read. */
export interface Request<R> {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  /** Named in errors if something is not allowed with it. */
  readonly concerned?: Concerned;
  /** Answered without a wait: it goes beside the connection on which fetches wait at the broker. */
  readonly atOnce?: boolean;
  /** How long the answer may take; default 30 s. */
  readonly timeoutMs?: number;
  /** For large ones: how many bytes it will have. */
  readonly initialBytes?: number;
  write(to: BytesWriter): BytesWriter;
  read(from: BytesReader): R;
}

/** A request in a version that not every broker knows. */
export interface NewRequest<R> extends Request<R> {
  /** What the others are asked. */
  readonly older: Request<R>;
}

/** What a broker knows, by api key. Null until it has said so. */
export type BrokerVersions = { readonly [apiKey: number]: { readonly maxVersion: number } } | null;

/** A broker ends the connection on which it is asked something in a version that it does not know. */
export function knownTo<R>(versions: BrokerVersions, request: Request<R> | NewRequest<R>): Request<R> {
  const max = versions?.[request.apiKey]?.maxVersion ?? Number.POSITIVE_INFINITY;
  return 'older' in request && max < request.apiVersion ? request.older : request;
}
