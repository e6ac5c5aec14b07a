import { openEmbeddedBroker } from '../broker/embedded/broker.js';
import type { Broker } from '../broker/port.js';
import { StreamsError } from '../model/errors.js';
import type { Clock, Logger } from '../model/ports.js';
import { openRocksDatabase } from '../state/rocksdb.js';
import { systemClock } from './system.js';

export interface OpenBrokerOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

interface Scheme {
  /** How its addresses are written, for help and errors. */
  readonly form: string;
  open(address: string, ports: { readonly clock: Clock; readonly logger?: Logger }): Promise<Broker>;
}

/** The brokers that can be named: `<scheme>:<address>`. */
const SCHEMES: Readonly<Record<string, Scheme>> = {
  embedded: {
    form: 'embedded:DIRECTORY',
    open: (directory, ports) => openEmbeddedBroker({ directory, openDatabase: openRocksDatabase, ...ports }),
  },
};

/** How addresses of the known brokers are written. */
const BROKER_FORMS: readonly string[] = Object.values(SCHEMES).map(({ form }) => form);

/** Checks an address without opening it. BROKER_UNKNOWN_SCHEME lists the schemes there are. */
export function checkBrokerUrl(url: string): { readonly scheme: string; readonly address: string } {
  const [, scheme = '', address = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/.exec(url) ?? [];
  if (Object.hasOwn(SCHEMES, scheme) && address !== '') return { scheme, address };
  throw new StreamsError('BROKER_UNKNOWN_SCHEME', {
    what: 'no broker can be opened at that address',
    saw: JSON.stringify(url),
    expected: BROKER_FORMS.join(' or '),
    action: 'Write the address with its scheme.',
  });
}

/**
 * Opens a broker by its address. `embedded:DIRECTORY` is a log in that directory, for this process alone: nothing to install, durable, exactly once.
 *
 * Errors: BROKER_UNKNOWN_SCHEME, STATE_LOCKED (another process has the directory open), STATE_IO, STATE_CORRUPT. Close the broker after the applications that use it.
 *
 * ```ts no-run
 * const broker = await openBroker('embedded:.millrace/broker');
 * ```
 */
export function openBroker(url: string, options: OpenBrokerOptions = {}): Promise<Broker> {
  const { scheme, address } = checkBrokerUrl(url);
  return (SCHEMES[scheme] as Scheme).open(address, { clock: systemClock, ...options });
}
