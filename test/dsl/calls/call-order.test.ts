import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Breaker } from '#src/dsl/calls/breaker.js';
import { CallOrder, Ordered } from '#src/dsl/calls/call-order.js';

class Call extends Ordered {
  constructor(
    readonly n: number,
    keyId: string | undefined,
  ) {
    super(keyId);
  }
}

describe('the order of calls', () => {
  it('gives each key one turn at a time, in its order, and every call its turn', () => {
    const calls = fc.array(fc.constantFrom('a', 'b', 'c', undefined), { maxLength: 40 });
    fc.assert(
      fc.property(calls, fc.array(fc.nat({ max: 99 })), (keys, choices) => {
        const order = new CallOrder<Call>();
        const running: Call[] = [];
        const begun: Call[] = [];
        let at = 0;
        let now = 0;
        const next = (): number => choices[at++ % Math.max(1, choices.length)] ?? 0;
        const left = keys.map((key, n) => new Call(n, key));
        for (let steps = 0; steps < 2_000 && (left.length > 0 || running.length > 0 || order.nextDue < 1e9); steps++) {
          const choice = (next() + steps) % 5;
          if (choice === 0 && left[0]) order.add(left.shift() as Call);
          else if (choice === 1) order.committed();
          else if (choice === 2 && running.length > 0) order.remove(running.shift() as Call);
          else if (choice === 3 && running.length > 0) {
            // Tried again, later.
            const call = running.pop() as Call;
            call.due = now + 3;
            order.queue(call);
          } else {
            now++;
            const call = order.take(now);
            if (!call) continue;
            assert.ok(call.due <= now);
            if (call.keyId !== undefined) assert.ok(running.every(({ keyId }) => keyId !== call.keyId));
            running.push(call);
            begun.push(call);
          }
        }
        order.committed();
        for (let call = order.take(1e9); call; call = order.take(1e9)) {
          begun.push(call);
          order.remove(call);
        }
        for (const call of running) order.remove(call);
        for (let call = order.take(1e9); call; call = order.take(1e9)) {
          begun.push(call);
          order.remove(call);
        }
        assert.deepEqual([...new Set(begun.map(({ n }) => n))].length, keys.length - left.length);
        for (const key of ['a', 'b', 'c']) {
          const own = [...new Set(begun.filter(({ keyId }) => keyId === key).map(({ n }) => n))];
          assert.deepEqual(
            own,
            own.toSorted((a, b) => a - b),
          );
        }
      }),
    );
  });

  it('takes nothing that no commit has stored, and nothing that is gone', () => {
    const order = new CallOrder<Call>();
    const [first, second] = [new Call(1, 'a'), new Call(2, 'b')];
    order.add(first);
    order.add(second);
    assert.equal(order.take(0), undefined);
    assert.equal(order.nextDue, Number.POSITIVE_INFINITY);
    order.committed();
    order.remove(first);
    assert.equal(order.nextDue, 0);
    assert.equal(order.take(0), second);
    assert.equal(order.take(0), undefined);
  });
});

describe('the breaker of calls', () => {
  it('opens after failures in a row, lets one call through, and closes with an answer', () => {
    const breaker = new Breaker({ failures: 2, pauseMs: 10 });
    assert.equal(breaker.failed(0, false), false);
    breaker.answered();
    assert.equal(breaker.failed(0, false), false);
    assert.equal(breaker.failed(5, false), true);
    // One that ran already.
    assert.equal(breaker.failed(9, false), false);
    assert.deepEqual([breaker.allows(14), breaker.allows(15), breaker.opensAt], ['no', 'trial', 15]);
    breaker.tries();
    assert.deepEqual([breaker.allows(15), breaker.opensAt], ['no', Number.POSITIVE_INFINITY]);
    assert.equal(breaker.failed(20, true), true);
    assert.deepEqual([breaker.allows(29), breaker.allows(30)], ['no', 'trial']);
    breaker.tries();
    assert.equal(breaker.answered(), true);
    assert.equal(breaker.allows(31), 'yes');
  });

  it('never opens without options', () => {
    const breaker = new Breaker(undefined);
    for (let n = 0; n < 100; n++) assert.equal(breaker.failed(n, false), false);
    assert.equal(breaker.allows(100), 'yes');
  });
});
