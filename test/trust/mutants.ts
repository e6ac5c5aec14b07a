import fc from 'fast-check';

/** How many inputs each parser is given: a thousand in the tests, a hundred thousand by `npm run fuzz`. */
export const RUNS = Number(process.env.FUZZ_RUNS ?? 1_000);

/** Those that a server is asked for: a tenth, since each takes a request or more. */
export const ASKED = RUNS / 10;

type Edit = readonly [kind: 'flip' | 'insert' | 'remove' | 'repeat' | 'cut', at: number, bytes: Uint8Array];

/** Bytes that were right, and are not quite; now and then something else altogether. */
export function mutantsOf(samples: readonly (string | Uint8Array)[]): fc.Arbitrary<Buffer> {
  const edit = fc.tuple(
    fc.constantFrom('flip', 'insert', 'remove', 'repeat', 'cut'),
    fc.nat(),
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
  ) as fc.Arbitrary<Edit>;
  const edited = fc
    .tuple(fc.constantFrom(...samples.map((sample) => Buffer.from(sample))), fc.array(edit, { maxLength: 4 }))
    .map(([sample, edits]) => edits.reduce(apply, sample));
  return fc.oneof(
    { weight: 8, arbitrary: edited },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 5 }).map((text) => Buffer.from(text)) },
  );
}

function apply(bytes: Buffer, [kind, where, with_]: Edit): Buffer {
  const at = bytes.length === 0 ? 0 : where % bytes.length;
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (kind) {
    case 'flip': {
      const flipped = Buffer.from(bytes);
      if (flipped.length > 0) flipped[at] = (flipped[at] as number) ^ (with_[0] as number);
      return flipped;
    }
    case 'insert':
      return Buffer.concat([head, with_, tail]);
    case 'remove':
      return Buffer.concat([head, tail.subarray(with_.length)]);
    case 'repeat':
      return Buffer.concat([head, head.subarray(-16), tail]);
    case 'cut':
      return head;
  }
}

/** JSON of which one value, somewhere, is another: a field that is missing, null, of another type, or a name that leads elsewhere. */
export function otherJson(samples: readonly unknown[]): fc.Arbitrary<string> {
  const value = fc.oneof(
    fc.constantFrom<unknown>(null, '', '..', '../../x', '/etc', 'constructor', '__proto__', -1, 1e300, 0.5, [], {}, [
      null,
    ]),
    fc.jsonValue({ maxDepth: 2 }),
  );
  return fc.tuple(fc.constantFrom(...samples), fc.nat(), value, fc.boolean()).map(([sample, where, other, drops]) => {
    const places: { readonly of: Record<string, unknown>; readonly name: string }[] = [];
    const copy = JSON.parse(JSON.stringify({ sample })) as Record<string, unknown>;
    const walk = (of: unknown): void => {
      if (typeof of !== 'object' || of === null) return;
      for (const [name, inner] of Object.entries(of)) {
        places.push({ of: of as Record<string, unknown>, name });
        walk(inner);
      }
    };
    walk(copy);
    const place = places[where % places.length];
    if (place && drops) delete place.of[place.name];
    else if (place) place.of[place.name] = other;
    return JSON.stringify(copy.sample) ?? 'null';
  });
}
