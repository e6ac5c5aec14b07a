import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Lets go of everything that nobody has any more, so that memory can be compared with a bound. */
export const collectGarbage = runInNewContext('gc') as () => void;
