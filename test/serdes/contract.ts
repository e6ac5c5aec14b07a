import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Serde } from '#src/serdes/serde.js';

export interface SerdeCase<T> {
  readonly serde: Serde<T>;
  readonly values: fc.Arbitrary<T>;
  /** What comes back for a value; the value itself if left out. */
  readonly normalized?: (value: T) => unknown;
  /** Bytes that are no value of this format, each with a part of the message. */
  readonly wrongBytes: readonly (readonly [bytes: Buffer, message: RegExp])[];
  /** Things that are no value of this type, each with a part of the message. */
  readonly wrongValues: readonly (readonly [value: unknown, message: RegExp])[];
  /** What no bytes at all decode to; left out if they are refused. */
  readonly empty?: T;
}

/** What every serde has to keep, whoever wrote it. */
export function serdeContract<T>(title: string, given: SerdeCase<T>): void {
  const { serde, values, normalized = (value: T): unknown => value } = given;

  describe(`the ${title} serde`, () => {
    it('gives back every value that it encoded', () => {
      fc.assert(fc.property(values, (value) => assert.deepEqual(serde.decode(serde.encode(value)), normalized(value))));
    });

    it('writes the same bytes for the same value, and for the value it decoded', () => {
      fc.assert(
        fc.property(values, (value) => {
          const encoded = serde.encode(value);
          assert.ok(encoded.equals(serde.encode(value)));
          assert.ok(encoded.equals(serde.encode(serde.decode(encoded))));
        }),
      );
    });

    it('its check, if it has one, throws what encode would, and nothing else', () => {
      const outcomeOf = (run: () => unknown): unknown => {
        try {
          run();
          return 'written';
        } catch (error) {
          return (error as Error).message;
        }
      };
      const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true });
      const { check } = serde;
      if (check === undefined) return;
      fc.assert(
        fc.property(fc.oneof(values, anything as fc.Arbitrary<T>), (value) => {
          fc.pre(value !== null);
          assert.equal(
            outcomeOf(() => check(value)),
            outcomeOf(() => serde.encode(value)),
          );
        }),
      );
    });

    it('decodes from the middle of a larger buffer', () => {
      fc.assert(
        fc.property(values, (value) => {
          const encoded = serde.encode(value);
          const larger = Buffer.concat([Buffer.from([0xff, 0x7b]), encoded, Buffer.from([0x7d, 0xff])]);
          assert.deepEqual(serde.decode(larger.subarray(2, 2 + encoded.length)), normalized(value));
        }),
      );
    });

    it('keeps what it encoded when it encodes the next value', () => {
      fc.assert(
        fc.property(values, values, (first, second) => {
          const encoded = serde.encode(first);
          const copy = Buffer.from(encoded);
          serde.encode(second);
          assert.ok(encoded.equals(copy));
        }),
      );
    });

    it('refuses bytes that are not of its format, saying what it saw and expected', () => {
      for (const [bytes, message] of given.wrongBytes) {
        assert.throws(() => serde.decode(bytes), plainError(message), `${bytes.toString('hex')} was decoded`);
      }
    });

    it('refuses values that are not of its type, saying what it saw and expected', () => {
      for (const [value, message] of given.wrongValues) {
        assert.throws(() => serde.encode(value as T), plainError(message), `${String(value)} was encoded`);
      }
    });

    if ('empty' in given) {
      it('decodes no bytes at all', () => assert.deepEqual(serde.decode(Buffer.alloc(0)), given.empty));
    } else {
      it('refuses no bytes at all', () =>
        assert.throws(() => serde.decode(Buffer.alloc(0)), plainError(/saw no bytes/)));
    }
  });
}

function plainError(message: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'Error');
    assert.match(error.message, /saw .*, expected /s);
    assert.match(error.message, message);
    return true;
  };
}
