import { resolve } from 'node:path';
import type { Broker } from '../broker/port.js';
import type { Clock, Logger } from '../model/ports.js';
import { checkBrokerUrl, openBroker as openAddress } from '../runtime/open-broker.js';

export const DEFAULT_BROKER = 'embedded:.millrace/broker';

export interface BrokerContext {
  /** Directories in addresses are relative to it. */
  readonly cwd: string;
  readonly clock: Clock;
  readonly logger?: Logger;
}

export interface OpenedBroker {
  readonly broker: Broker;
  /** It belongs to this process alone, so topics that are missing are made rather than asked for. */
  readonly createsTopics: boolean;
}

/** An address whose scheme is known, as it is; else BROKER_UNKNOWN_SCHEME, saying which addresses there are. */
export function brokerUrl(url: string): string {
  checkBrokerUrl(url);
  return url;
}

/** Opens the broker of an address, as the command line means it. Errors: as {@link brokerUrl}, and what the adapter throws. */
export async function openBroker(url: string, { cwd, clock, logger }: BrokerContext): Promise<OpenedBroker> {
  const { scheme, address } = checkBrokerUrl(url);
  const isEmbedded = scheme === 'embedded';
  const broker = await openAddress(isEmbedded ? `${scheme}:${resolve(cwd, address)}` : url, {
    clock,
    ...(logger === undefined ? {} : { logger }),
  });
  return { broker, createsTopics: isEmbedded };
}
