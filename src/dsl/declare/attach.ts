import type { OperatorFunction } from 'rxjs';
import { StreamsError } from '../../model/errors.js';
import { declaring, type PathMark, subscribing } from '../pipelines/ambient.js';
import { ownObservable } from '../pipelines/own-operators.js';
import { asRows } from '../pipelines/plain-rows.js';
import type { Declaring } from './declaring.js';

/** The topology declaration in progress. TOPOLOGY_INVALID outside a topology function. */
export function currentDeclaring(operator: string): Declaring {
  const current = declaring() as Declaring | undefined;
  if (current) return current;
  throw new StreamsError('TOPOLOGY_INVALID', {
    what: `${operator} was used outside a topology function`,
    action: 'Pipe it inside topology(name, (t) => { … }).',
  });
}

/** A stateless operator: plain RxJS, plus a mark on the path so that the graph shows the operator. */
export function withMark<I, O>(mark: PathMark, body: OperatorFunction<I, O>): OperatorFunction<I, O> {
  return (source) => {
    const own = ownObservable(body, {
      input: () => asRows(source),
      around: (subscribe) => {
        const consumer = subscribing();
        consumer?.through(mark);
        try {
          subscribe();
        } finally {
          consumer?.leave();
        }
      },
    });
    // Whoever applies it as a function, or by RxJS's own pipe(), may do no more with it.
    declaring()?.ends?.piped(source, own);
    return own;
  };
}
