/** The names of settings in the schema of the chart's values: what is no setting is refused before it is installed. */
import { secretSettings, settings } from '../../schemas/config.js'

/** The schema with the names of today. Secrets are not among them: those come from a Secret, by reference. */
export function withSettingNames(schema: string): string {
  const names = Object.keys(settings).filter((name) => !secretSettings.has(name))
  const lines = names.map((name) => `          ${JSON.stringify(name)}`).join(',\n')
  return schema.replace(
    /"propertyNames": \{\s*"enum": \[[^\]]*\]\s*\}/,
    `"propertyNames": {\n        "enum": [\n${lines}\n        ]\n      }`,
  )
}
