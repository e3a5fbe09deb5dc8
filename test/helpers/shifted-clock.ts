/** Loaded before a program (NODE_OPTIONS=--import=…): its clock is TEST_CLOCK_SHIFT_MS before that of the machine. */
const shift_ms = Number(process.env.TEST_CLOCK_SHIFT_MS ?? 0)
const RealDate = Date
const now = (): number => RealDate.now() + shift_ms

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: [], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
})
