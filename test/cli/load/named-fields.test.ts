import assert from 'node:assert/strict';
import { namedFields } from '#src/cli/load/named-fields.js';

const named = (expression: string): string =>
  namedFields(expression)
    .map(({ of, path }) => [of, ...path].join('.'))
    .join(' ');

describe('the fields that an expression names', () => {
  for (const [expression, expected] of [
    ['value.total < 0', 'value.total'],
    ['value?.card?.number === before ?. card . number', 'value.card.number before.card.number'],
    ['value["first name"].length > 3 && key?.["id"] === 7', 'value.first name.length key.id'],
    ['value\n  .total /* value.no */ > 1 // value.nor', 'value.total'],
    ['value > 15 || timestamp > 3', ''],
    ['({ value: 1, before }).value.x && other.value.x', ''],
    ['[...value.items].some((item) => item.value.no > before.least)', 'value.items before.least'],
    ['value.items[0].price > 3', 'value.items'],
    ['value[key.name] && value[`name`]', 'key.name'],
    [`\`\${value.a} value.no \${\`\${before.b}\`} }\` === "value.no" + 'value.nor'`, 'value.a before.b'],
    ['/value.no[/]value.nor/.test(value.a) && value.b / value.c / 2', 'value.a value.b value.c'],
    ['(value.a) / value.b / value.c', 'value.a value.b value.c'],
    ['typeof /value.no/ && value.a', 'value.a'],
    ['value.a.toFixed(2) === 1..toFixed() ? value.b : before?.5:0', 'value.a.toFixed value.b'],
    ['value.großer > 1 && value.$x_1', 'value.großer value.$x_1'],
  ] as const)
    it(`of ${expression.replaceAll('\n', ' ')}`, () => {
      assert.equal(named(expression), expected);
    });

  it('are none of a name that the expression declares itself', () => {
    for (const expression of [
      'key.list.some((value) => value.x)',
      'key.list.some(value => value.x)',
      'key.list.some(({ value }, i) => value.x)',
      'key.list.some(async ([value = 1]) => value.x)',
    ])
      assert.equal(named(expression), 'key.list.some', expression);
    for (const expression of [
      '(function (value) { return value.x; })(before)',
      '(() => { const { value } = before; return value.x; })()',
      '({ f(value) { return value.x; } }).f(before)',
      'v\\u0061lue.x',
    ])
      assert.equal(named(expression), '', expression);
  });

  it('are none of a text that is no expression', () => {
    for (const text of ['`${value.a', '`', 'value.a }', '"value.a', '']) assert.doesNotThrow(() => named(text));
  });
});
