import type { BytesReader, BytesWriter } from './bytes.js';
import type { Concerned } from './rights.js';

/** One request of Kafka's protocol, in one version, with the parser of its response. */
export interface Request<R> {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  /** The resource to name in errors if a right is missing. */
  readonly concerned?: Concerned;
  /**
   * The broker responds without waiting: the request avoids the connection on which fetches wait at the
   * broker.
   */
  readonly atOnce?: boolean;
  /** How long the response may take; default 30 s. */
  readonly timeoutMs?: number;
  /** For large requests: their size in bytes. */
  readonly initialBytes?: number;
  write(to: BytesWriter): BytesWriter;
  read(from: BytesReader): R;
}

/** A request in a version that not all brokers support. */
export interface NewRequest<R> extends Request<R> {
  /** The version for the other brokers. */
  readonly older: Request<R>;
}

/** The versions that a broker supports, by API key. Null until the broker has reported them. */
export type BrokerVersions = { readonly [apiKey: number]: { readonly maxVersion: number } } | null;

/**
 * Selects a version that the broker supports: a broker closes the connection if it receives an unsupported
 * version.
 */
export function knownTo<R>(versions: BrokerVersions, request: Request<R> | NewRequest<R>): Request<R> {
  const max = versions?.[request.apiKey]?.maxVersion ?? Number.POSITIVE_INFINITY;
  return 'older' in request && max < request.apiVersion ? request.older : request;
}
