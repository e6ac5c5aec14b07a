import type { Program } from '../program.js';
import { addSchemaCheck } from './schema-check.js';
import { addSchemaGenerate } from './schema-generate.js';
import { addSchemaLook } from './schema-look.js';
import { addSchemaRegister } from './schema-register.js';

/** `millrace schema …`: checks, registers and looks at Avro schemas, and makes types of them. */
export function addSchema(program: Program): void {
  const schema = program.parent
    .command('schema')
    .description('check, register and look at Avro schemas, and write their types');
  for (const add of [addSchemaCheck, addSchemaRegister, addSchemaLook, addSchemaGenerate])
    add({ ...program, parent: schema as unknown as Program['parent'] });
}
