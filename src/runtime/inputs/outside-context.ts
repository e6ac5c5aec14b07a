import type { OutsideContext } from '../../dsl/contract/processor.js';
import type { StreamsError } from '../../model/errors.js';
import type { Logger } from '../../model/ports.js';
import type { EffectCall } from '../config/effect-gate.js';
import type { Outside } from './outside.js';

/** What an operator of a task needs to work outside of it. Undefined: nothing is called. */
export const outsideOf = (
  node: string,
  { outside, logger }: { readonly outside: Outside | undefined; readonly logger: Logger },
  engine: {
    readonly allows: (call: EffectCall) => boolean;
    readonly fail: (error: StreamsError) => void;
    readonly keyOf: (id: string) => string;
  },
): OutsideContext | undefined =>
  outside && {
    add: (work) => outside.works.add(work),
    ended: () => outside.ended(),
    allows: ({ id, record, position }) => engine.allows({ node, record, position, idempotencyKey: engine.keyOf(id) }),
    fail: engine.fail,
    warn: (message) => logger.warn({ node }, message),
  };
