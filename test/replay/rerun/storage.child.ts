/** A process that makes stores of a rerun in a directory, says where, and stays until it is killed. */
import { diskStorage } from '#src/replay/rerun/rerun-storage.js';

const [parent = ''] = process.argv.slice(2);
const { root } = await diskStorage(parent);
process.send?.(root);
setInterval(() => undefined, 60_000);
