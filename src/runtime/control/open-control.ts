import { makePrivateDirectory } from '../../files/write.js';
import { messageOf } from '../../model/errors.js';
import type { Logger } from '../../model/ports.js';
import { type Controlled, ControlServer } from './control-server.js';

/**
 * Lets other processes look into an application while it runs: see {@link ControlServer}. An application runs
 * as well without: a problem is only logged.
 *
 * @param directory That of the application.
 */
export async function openControl(
  directory: string,
  of: Controlled & { readonly done: Promise<void> },
  logger: Logger,
): Promise<void> {
  let server: ControlServer | undefined;
  try {
    await makePrivateDirectory(directory);
    server = await ControlServer.listen(directory, of);
  } catch (error) {
    logger.warn({ directory, error: messageOf(error) }, 'no other process can look into this application');
  }
  await of.done.catch(() => undefined);
  await server?.close().catch(() => undefined);
}
