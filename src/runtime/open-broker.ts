import { openEmbeddedBroker } from '../broker/embedded/broker.js';
import type { KafkaOptions } from '../broker/kafkajs/login/options.js';
import type { Broker } from '../broker/port.js';
import { openSharedBroker } from '../broker/shared/shared-broker.js';
import { StreamsError } from '../model/errors.js';
import { ownOf } from '../model/own.js';
import type { Clock, Logger } from '../model/ports.js';
import { hasLogin, withoutLogin } from '../model/text/secret.js';
import { show } from '../model/text/show.js';
import { openRocksDatabase } from '../state/database/rocksdb.js';
import { systemClock } from './config/system.js';

export interface OpenBrokerOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
  /**
   * `false`: the embedded broker is for this process alone, and others get STATE_LOCKED. Default: other
   * processes of the machine use it over a socket in its directory. Only for `embedded:` addresses.
   */
  readonly shared?: boolean;
  /**
   * How to connect to Kafka; only for `kafka:` addresses. `kafkaOptionsFromEnv(process.env)` reads these
   * options from a file and the environment.
   */
  readonly kafka?: KafkaOptions;
}

interface Scheme {
  /** The form of its addresses, for help texts and errors. */
  readonly form: string;
  open(
    address: string,
    ports: { readonly clock: Clock; readonly logger?: Logger },
    options: { readonly kafka: KafkaOptions; readonly shared: boolean },
  ): Promise<Broker>;
}

/** The supported brokers, by the scheme of `<scheme>:<address>`. */
const SCHEMES: Readonly<Record<string, Scheme>> = {
  embedded: {
    form: 'embedded:DIRECTORY',
    open: (directory, ports, { shared }) => {
      const options = { directory, openDatabase: openRocksDatabase, ...ports };
      return shared ? openSharedBroker({ ...options, pid: process.pid }) : openEmbeddedBroker(options);
    },
  },
  kafka: {
    form: 'kafka://HOST:PORT,HOST:PORT',
    open: async (address, ports, { kafka }) => {
      const brokers = bootstrapOf(address);
      // Loading it takes a tenth of a second, so it is loaded only for Kafka.
      const { openKafkaBroker } = await import('../broker/kafkajs/broker.js');
      return openKafkaBroker({ ...kafka, ...ports, brokers });
    },
  },
};

/** Parses `//HOST:PORT,HOST:PORT` into bootstrap brokers. CONFIG_INVALID for anything else. */
function bootstrapOf(address: string): readonly string[] {
  const brokers = address.replace(/^\/\//, '').split(',');
  if (address.startsWith('//') && brokers.every((broker) => /^[^\s:/@]+:\d{1,5}$/.test(broker))) return brokers;
  throw new StreamsError('CONFIG_INVALID', {
    what: 'cannot open a Kafka cluster',
    saw: show(withoutPassword(withoutLogin(`kafka:${address}`))),
    expected: 'kafka://HOST:PORT, with more brokers after commas',
    action: hasLogin(address)
      ? 'Write the address in this form. The login is an option: sasl.username and sasl.password of --kafka-config, or KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.'
      : 'Write the address in this form.',
  });
}

/** Text in the place of a port that is not a port may be the password of a login without a host. */
const withoutPassword = (address: string): string =>
  address.replace(/(?<=^kafka:(?:\/\/)?|,)([^,:/]*):(?!\d{1,5}(?:,|$))[^,]*/g, '$1:…');

/** The address forms of all supported brokers. */
const BROKER_FORMS: readonly string[] = Object.values(SCHEMES).map(({ form }) => form);

/** Checks an address without opening it. BROKER_UNKNOWN_SCHEME lists the supported schemes. */
export function checkBrokerUrl(url: string): { readonly scheme: string; readonly address: string } {
  const [, scheme = '', address = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/.exec(url) ?? [];
  if (Object.hasOwn(SCHEMES, scheme) && address !== '') return { scheme, address };
  throw new StreamsError('BROKER_UNKNOWN_SCHEME', {
    what: 'no broker can be opened at that address',
    saw: show(withoutLogin(url)),
    expected: BROKER_FORMS.join(' or '),
    action: 'Write the address with its scheme.',
  });
}

/**
 * Opens a broker by its address. `embedded:DIRECTORY` is a log in that directory, for the processes of this
 * machine: no installation, durable, exactly once. The first process that opens it serves the others; when it
 * ends, another one takes over. `kafka://HOST:PORT,HOST:PORT` is a Kafka cluster; without `kafka` options the
 * connection has no TLS and no login.
 *
 * Errors: BROKER_UNKNOWN_SCHEME, STATE_LOCKED (another process has the directory open and does not serve it),
 * STATE_MISMATCH (it serves another version), STATE_IO,
 * STATE_CORRUPT, CONFIG_INVALID (which lists all problems with the options), BROKER_UNAVAILABLE,
 * BROKER_UNAUTHENTICATED. Close the broker after the applications that use it.
 *
 * ```ts no-run
 * const broker = await openBroker('embedded:.millrace/broker');
 * const kafka = await openBroker('kafka://broker-1:9093', {
 *   kafka: { tls: { ca: { file: 'ca.pem' } }, sasl: { mechanism: 'scram-sha-512', username: 'payments', password: await vault.read('payments') } },
 * });
 * ```
 */
export async function openBroker(url: string, options: OpenBrokerOptions = {}): Promise<Broker> {
  const { kafka, shared, ...ports } = options;
  const { scheme, address } = checkBrokerUrl(url);
  if (shared !== undefined && scheme !== 'embedded') throw misplaced('shared', url, 'embedded:DIRECTORY');
  if (kafka !== undefined && scheme !== 'kafka') throw misplaced('kafka', url, 'kafka://HOST:PORT');
  const { open } = ownOf(SCHEMES, scheme) as Scheme;
  return open(address, { clock: systemClock, ...ports }, { kafka: kafka ?? {}, shared: shared ?? true });
}

const misplaced = (option: keyof OpenBrokerOptions, url: string, expected: string): StreamsError =>
  new StreamsError('CONFIG_INVALID', {
    what: `cannot use the option ${option}`,
    saw: `the address ${show(withoutLogin(url))}`,
    expected,
    action: 'Leave the option out, or correct the address.',
  });
