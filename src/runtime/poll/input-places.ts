import { afterOf } from '../inputs/after.js';
import { AT_ONCE, type Dates } from './lane.js';

/** The places of the records of internal inputs. They have no event times. */
export const INPUT_PLACES: Dates = {
  timeOf: () => AT_ONCE,
  timeWhenReady: () => Promise.resolve(AT_ONCE),
  placeOf: ({ headers }) => {
    const after = afterOf(headers);
    return after && { after };
  },
};
