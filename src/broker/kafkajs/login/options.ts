import type { Secret } from '../../../model/text/secret.js';
import type { Tls } from '../../../net/tls.js';
import type { KafkaWriterOptions } from './writer-options.js';

/** TLS to the brokers. */
export type KafkaTls = Tls;

/** An access token, as an OAuth server issues it. */
export interface KafkaToken {
  readonly value: string | Secret;
  /** Milliseconds since the epoch. The token is reused until shortly before. Default: it is used once. */
  readonly expiresAt?: number;
  /** SASL extensions that the brokers require. */
  readonly extensions?: Readonly<Record<string, string>>;
}

export interface KafkaPassword {
  /** `scram-…` never sends the password. `plain` does: use it only on connections with TLS. */
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  /** A Secret made from a function is read at each login. */
  readonly password: string | Secret;
}

export interface KafkaTokenFunction {
  readonly mechanism: 'oauthbearer';
  /** Called for each connection for which there is no valid token. */
  readonly token: () => Promise<KafkaToken>;
}

/** The client credentials flow of OAuth. */
export interface KafkaClientCredentials {
  readonly mechanism: 'oauthbearer';
  /** `https://…/token`. */
  readonly tokenEndpoint: string;
  readonly clientId: string;
  /** A Secret made from a function is read for each token. */
  readonly clientSecret: string | Secret;
  readonly scope?: string;
}

export type KafkaSasl = KafkaPassword | KafkaTokenFunction | KafkaClientCredentials;

/**
 * How this client authenticates, and how it verifies the brokers. Default: neither, and all traffic is
 * readable in transit.
 */
export interface KafkaSecurity {
  /** `true` means `{}`. */
  readonly tls?: boolean | KafkaTls;
  readonly sasl?: KafkaSasl;
}

export interface KafkaOptions extends KafkaSecurity, KafkaWriterOptions {
  /** The name of this client in the brokers' logs and quotas. Default: `millrace`. */
  readonly clientId?: string;
}
