import type { ErrorPolicy } from '../../model/policy/policy.js';

/** The option of every operator in which a record may fail. */
export interface PolicyOptions {
  /**
   * What happens to a record that fails in this operator: a function of it throws, or a key or value cannot
   * be read or written. It takes the place of the step's policy in `onError` of the application. What fails
   * in plain RxJS operators before or after it follows that one. Default: as the application does.
   */
  readonly onError?: ErrorPolicy;
}

/** The option alone, for what an operator consists of. */
export const whenGiven = ({ onError }: PolicyOptions): PolicyOptions => (onError === undefined ? {} : { onError });
