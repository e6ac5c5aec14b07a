import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { kafkaOptionsFromEnv } from '../../broker/kafkajs/login/properties.js';
import type { Broker } from '../../broker/port.js';
import { StreamsError } from '../../model/errors.js';
import type { Clock, Logger } from '../../model/ports.js';
import { withoutLogin } from '../../model/text/secret.js';
import { checkBrokerUrl, openBroker as openAddress } from '../../runtime/open-broker.js';
import { usage } from '../terminal/usage.js';

export const DEFAULT_BROKER = 'embedded:.millrace/broker';

export interface BrokerContext {
  /** Base of directories in addresses, and of the file of --kafka-config. */
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly logger?: Logger;
}

/** The options of every command that uses a broker. */
export interface BrokerOptions {
  readonly broker: string;
  readonly kafkaConfig?: string | undefined;
}

/** `--kafka-config`, for the help of every command that has `--broker`. */
export const KAFKA_CONFIG = [
  '--kafka-config <file>',
  'properties file of the Kafka connection, for example with sasl.username=payments (default: the file that MILLRACE_KAFKA_CONFIG names); KAFKA_SASL_USERNAME and similar variables override it',
] as const;

export interface OpenedBroker {
  readonly broker: Broker;
  /** True for a broker that only this process uses: missing topics are created without an option. */
  readonly createsTopics: boolean;
}

/**
 * Returns an address with a known scheme unchanged. Errors: BROKER_UNKNOWN_SCHEME, which lists the known
 * schemes.
 */
export function brokerUrl(url: string): string {
  checkBrokerUrl(url);
  return url;
}

/**
 * Opens the broker of an address from the command line. Errors: those of {@link brokerUrl} and
 * {@link kafkaOptionsFromEnv}, and what the adapter throws.
 */
export async function openBrokerOf(
  { broker: url, kafkaConfig }: BrokerOptions,
  { cwd, env, clock, logger }: BrokerContext,
): Promise<OpenedBroker> {
  const { scheme, address } = checkBrokerUrl(url);
  const ports = { clock, ...(logger === undefined ? {} : { logger }) };
  if (scheme === 'kafka') {
    const file = kafkaConfig === undefined ? {} : { file: resolve(cwd, kafkaConfig) };
    return {
      broker: await openAddress(url, { ...ports, kafka: kafkaOptionsFromEnv(env, file) }),
      createsTopics: false,
    };
  }
  if (kafkaConfig !== undefined)
    throw usage('cannot use --kafka-config', `--broker ${withoutLogin(url)}`, 'an address that begins with kafka://');
  return { broker: await openAddress(`${scheme}:${resolve(cwd, address)}`, ports), createsTopics: true };
}

/**
 * As {@link openBrokerOf}, for commands that only read: a mistyped directory must not become a new, empty
 * broker. Errors: BROKER_UNAVAILABLE if there is none.
 */
export async function openExistingBroker(options: BrokerOptions, context: BrokerContext): Promise<OpenedBroker> {
  const { scheme, address } = checkBrokerUrl(options.broker);
  if (scheme === 'embedded' && options.kafkaConfig === undefined && !existsSync(resolve(context.cwd, address))) {
    throw new StreamsError('BROKER_UNAVAILABLE', {
      what: 'there is no broker',
      at: withoutLogin(options.broker),
      saw: 'no such directory',
      expected: 'the directory of an embedded broker',
      action: 'Correct --broker, or write records first: `millrace produce` and `millrace run` create a broker.',
    });
  }
  return openBrokerOf(options, context);
}
