import { type Duration, durationMs } from '../../model/duration.js';
import type { Logger } from '../../model/ports.js';
import { withoutLogin } from '../../model/text/secret.js';
import { isPassing, withRetry } from '../../runtime/config/retry.js';
import { type BrokerOptions, type OpenedBroker, openBrokerOf } from '../options/broker-url.js';
import type { Io } from '../terminal/io.js';
import type { Stop } from '../terminal/stop.js';

/**
 * Opens a broker; waits for an unreachable cluster, as a running application does. Undefined if a signal
 * ended the wait. With a limit of time, it then fails with the last error.
 */
export async function openWithRetry(
  options: BrokerOptions & { readonly wait?: Duration | undefined },
  { io, stop, logger }: { readonly io: Io; readonly stop: Stop; readonly logger: Logger },
): Promise<OpenedBroker | undefined> {
  const over = new AbortController();
  const cancel = options.wait === undefined ? undefined : io.clock.after(durationMs(options.wait), () => over.abort());
  const signal = AbortSignal.any([stop.signal, over.signal]);
  try {
    return await withRetry(`connecting to ${withoutLogin(options.broker)}`, { clock: io.clock, logger, signal }, () =>
      openBrokerOf(options, { ...io, logger }),
    );
  } catch (error) {
    if (stop.signal.aborted && isPassing(error)) return undefined;
    throw error;
  } finally {
    cancel?.();
  }
}
