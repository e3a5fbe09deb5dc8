/** What settings are made of. */
import { z } from 'zod'

export const ms = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
export const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
/** Items separated by commas. */
export const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)

/** A setting: how its value is read, its default, and what it means. */
export const setting = <S extends z.ZodType>(schema: S, fallback: string | undefined, meaning: string) => ({
  schema,
  fallback,
  meaning,
})
