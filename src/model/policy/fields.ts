import { StreamsError } from '../errors.js';
import { nearestName } from '../text/nearest-name.js';
import { show } from '../text/show.js';

/** Whether an option consists of fields, whatever its type says. */
export const isFields = <T>(option: T): option is Extract<T, object> =>
  typeof option === 'object' && option !== null && !Array.isArray(option);

/** CONFIG_INVALID for a field that nothing reads. */
export function checkFields(option: object, known: readonly string[], where: string): void {
  const unknown = Object.keys(option).find((field) => !known.includes(field));
  if (unknown === undefined) return;
  const near = nearestName(unknown, known);
  throw new StreamsError('CONFIG_INVALID', {
    what: `cannot use ${where}`,
    saw: `the field ${show(unknown)}`,
    expected: known.join(', '),
    action: near === undefined ? 'Remove the field.' : `Did you mean ${near}?`,
  });
}
