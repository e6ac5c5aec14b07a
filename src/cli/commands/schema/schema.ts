import type { Program } from '../../terminal/program.js';
import { addSchemaCheck } from './schema-check.js';
import { addSchemaGenerate } from './schema-generate.js';
import { addSchemaLook } from './schema-look.js';
import { addSchemaRegister } from './schema-register.js';

/** `millrace schema …`: checks, registers and shows Avro schemas, and generates types from them. */
export function addSchema(program: Program): void {
  const schema = program.parent
    .command('schema')
    .description('check, register and show Avro schemas, and write their types');
  for (const add of [addSchemaCheck, addSchemaRegister, addSchemaLook, addSchemaGenerate])
    add({ ...program, parent: schema as unknown as Program['parent'] });
}
