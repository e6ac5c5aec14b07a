import type { Logger } from '../model/ports.js';
import { withoutLogin } from '../model/secret.js';
import { isPassing, withRetry } from '../runtime/retry.js';
import { type BrokerOptions, type OpenedBroker, openBrokerOf } from './broker-url.js';
import type { Io } from './io.js';
import type { Stop } from './stop.js';

/**
 * A cluster that is away is waited for, as it is while an application runs. Undefined if the wait was ended
 * by a signal.
 */
export async function openWithRetry(
  options: BrokerOptions,
  { io, stop, logger }: { readonly io: Io; readonly stop: Stop; readonly logger: Logger },
): Promise<OpenedBroker | undefined> {
  const { signal } = stop;
  try {
    return await withRetry(`connecting to ${withoutLogin(options.broker)}`, { clock: io.clock, logger, signal }, () =>
      openBrokerOf(options, { ...io, logger }),
    );
  } catch (error) {
    if (signal.aborted && isPassing(error)) return undefined;
    throw error;
  }
}
