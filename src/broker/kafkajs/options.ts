import type { Secret } from '../../model/secret.js';
import type { Tls } from '../../net/tls.js';
import type { KafkaWriterOptions } from './writer-options.js';

/** TLS to the brokers. */
export type KafkaTls = Tls;

/** What an OAuth server has issued. */
export interface KafkaToken {
  readonly value: string | Secret;
  /** Milliseconds since the epoch; it is used again until shortly before. Default: it is used once. */
  readonly expiresAt?: number;
  /** SASL extensions that the brokers ask for. */
  readonly extensions?: Readonly<Record<string, string>>;
}

export interface KafkaPassword {
  /** `scram-…` never sends the password; `plain` does, and is for connections with TLS. */
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  /** A Secret of a function is read for each login. */
  readonly password: string | Secret;
}

export interface KafkaTokenFunction {
  readonly mechanism: 'oauthbearer';
  /** Called for each connection that has no token that is still good. */
  readonly token: () => Promise<KafkaToken>;
}

/** The client credentials flow of OAuth. */
export interface KafkaClientCredentials {
  readonly mechanism: 'oauthbearer';
  /** `https://…/token`. */
  readonly tokenEndpoint: string;
  readonly clientId: string;
  /** A Secret of a function is read for each token. */
  readonly clientSecret: string | Secret;
  readonly scope?: string;
}

export type KafkaSasl = KafkaPassword | KafkaTokenFunction | KafkaClientCredentials;

/**
 * Who this client is, and how it knows that the brokers are who they should be. Default: neither; everything
 * is readable on the way.
 */
export interface KafkaSecurity {
  /** True is `{}`. */
  readonly tls?: boolean | KafkaTls;
  readonly sasl?: KafkaSasl;
}

export interface KafkaOptions extends KafkaSecurity, KafkaWriterOptions {
  /** Name of this client in the brokers' logs and quotas. Default: `millrace`. */
  readonly clientId?: string;
}
