/** APNs and FCM for a system under test, with the keys and the certificate that it needs to speak to them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ApnsServer, startApnsServer } from './apns-server.js'
import { selfSigned } from './certificate.js'
import { type FcmServer, startFcmServer } from './fcm-server.js'

export interface PushServers {
  readonly apns: ApnsServer
  readonly fcm: FcmServer
  /** The settings of whoever is to use them. */
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

export async function startPushServers(): Promise<PushServers> {
  const folder = mkdtempSync(join(tmpdir(), 'coffeechat-push-'))
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const pair = selfSigned('localhost') // one for both: trust goes by the name
  const apns = await startApnsServer(pair)
  const fcm = await startFcmServer(pair)
  return {
    apns,
    fcm,
    env: {
      NODE_EXTRA_CA_CERTS: file('ca.pem', pair.cert),
      APNS_KEY_FILE: file('key.p8', apns.key),
      APNS_KEY_ID: apns.keyId,
      APNS_TEAM_ID: apns.teamId,
      APNS_TOPIC: apns.topic,
      APNS_URL: apns.origin,
      FCM_SERVICE_ACCOUNT_FILE: file('account.json', JSON.stringify(fcm.account)),
      FCM_URL: fcm.origin,
    },
    async close() {
      await apns.close()
      await fcm.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
