// Browsers let no page that was opened from disk start a worker. There the search runs in a hidden frame,
// which shares the page's origin, with the same messages.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inside = this.inside = frame.contentWindow
      const load = (address) => new Promise((loaded, failed) => {
        const script = inside.document.createElement("script")
        Object.assign(script, { src: new URL(address, location), onload: loaded, onerror: failed })
        inside.document.head.append(script)
      })
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      inside.importScripts = async (...addresses) => { for (const address of addresses) await load(address) }
      this.ready = load(url)
    }

    async postMessage(data) {
      await this.ready
      this.inside.dispatchEvent(new MessageEvent("message", { data }))
    }
  }
  window.Worker = window.IFrameWorker
}
