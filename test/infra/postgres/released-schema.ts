/** What a change of the database's schema would break for the released code, which runs on it during an upgrade. Pure. */

interface Column {
  readonly type: string
  readonly isRequired: boolean
  readonly hasDefault: boolean
}

interface Parameter {
  readonly type: string
  readonly hasDefault: boolean
}

interface SqlFunction {
  readonly parameters: readonly Parameter[]
  readonly returns: string
}

/** As committed at a release. */
export interface ReleasedSchema {
  readonly tables: Readonly<Record<string, Readonly<Record<string, Column>>>>
  readonly functions: Readonly<Record<string, SqlFunction>>
}

const columnOf = (line: string): readonly [string, Column] => {
  const [, name = '', rest = ''] = /^(\S+) (.*)$/.exec(line) ?? []
  const type = rest.replace(/ (COLLATE|NOT NULL|DEFAULT) ?.*$/, '')
  return [name, { type, isRequired: rest.includes(' NOT NULL'), hasDefault: rest.includes(' DEFAULT ') }]
}

/** Splits at the commas that stand in no parentheses. */
const parted = (list: string): string[] =>
  list === '' ? [] : (list.match(/(?:[^,(]|\([^)]*\))+/g) ?? []).map((each) => each.trim())

const parameterOf = (text: string): Parameter => ({
  type: text.replace(/^\S+ /, '').replace(/ DEFAULT .*$/, ''),
  hasDefault: text.includes(' DEFAULT '),
})

/** @param dump infra/postgres/schema.sql */
export function readSchema(dump: string): ReleasedSchema {
  const tables = [...dump.matchAll(/^CREATE TABLE (\w+) \(\n([\s\S]*?)\n\)/gm)].map(([, name, body]) => {
    const lines = body!.split(',\n').map((line) => line.trim())
    return [name, Object.fromEntries(lines.filter((line) => !line.startsWith('CONSTRAINT ')).map(columnOf))]
  })
  const functions = [
    ...dump.matchAll(/^CREATE OR REPLACE FUNCTION public\.(\w+)\((.*)\)\n RETURNS (.*)\n/gm),
  ].map(([, name, list, returns]) => [name, { parameters: parted(list!).map(parameterOf), returns }])
  return { tables: Object.fromEntries(tables), functions: Object.fromEntries(functions) }
}

/** Why the released code could not go on with this schema; empty where it can. */
export function schemaBreaks(released: ReleasedSchema, now: ReleasedSchema): string[] {
  return [
    ...Object.entries(released.tables).flatMap(([table, columns]) => {
      const present = now.tables[table]
      return present === undefined ? [`${table}: is gone`] : columnBreaks(table, columns, present)
    }),
    ...Object.entries(released.functions).flatMap(([name, before]) => {
      const after = now.functions[name]
      return after === undefined ? [`${name}(): is gone`] : functionBreaks(name, before, after)
    }),
  ]
}

type Columns = ReleasedSchema['tables'][string]

function columnBreaks(table: string, before: Columns, after: Columns): string[] {
  return [
    ...Object.entries(before).flatMap(([name, column]) => {
      const present = after[name]
      if (present === undefined) return [`${table}.${name}: is gone`]
      return [
        ...(present.type === column.type ? [] : [`${table}.${name}: was ${column.type}, is ${present.type}`]),
        ...(present.isRequired && !column.isRequired ? [`${table}.${name}: may not be null any more`] : []),
        ...(column.hasDefault && !present.hasDefault ? [`${table}.${name}: has no default any more`] : []),
      ]
    }),
    ...Object.entries(after)
      .filter(([name, { isRequired, hasDefault }]) => !(name in before) && isRequired && !hasDefault)
      .map(([name]) => `${table}.${name}: is new and has to be written`),
  ]
}

/** The columns of RETURNS TABLE(…); any other type is one. */
const returnedBy = (returns: string): readonly string[] => {
  const [, columns] = /^TABLE\((.*)\)$/.exec(returns) ?? []
  return columns === undefined ? [returns] : parted(columns)
}

function functionBreaks(name: string, before: SqlFunction, after: SqlFunction): string[] {
  const takes = before.parameters.every(({ type }, at) => after.parameters[at]?.type === type)
  const asksMore = after.parameters.slice(before.parameters.length).some(({ hasDefault }) => !hasDefault)
  const lost = returnedBy(before.returns).filter((each) => !returnedBy(after.returns).includes(each))
  return [
    ...(takes ? [] : [`${name}(): takes something else`]),
    ...(asksMore ? [`${name}(): asks for more`] : []),
    ...lost.map((each) => `${name}(): no longer returns ${each}`),
  ]
}
