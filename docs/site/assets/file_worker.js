// A browser starts no worker for a page that is opened as a file. There the search's script runs in a hidden frame
// instead, which takes and gives the same messages.
"use strict"

class FileWorker extends EventTarget {
  constructor(url) {
    super()
    this.frame = document.createElement("iframe")
    this.frame.hidden = true
    document.body.append(this.frame)
    const inner = this.frame.contentWindow
    inner.postMessage = (data) => this.#receive(data)
    inner.importScripts = (...urls) => urls.reduce((before, each) => before.then(() => this.#load(each)), Promise.resolve())
    this.loaded = this.#load(url)
  }

  postMessage(data) {
    this.loaded.then(() => {
      const inner = this.frame.contentWindow
      inner.dispatchEvent(new inner.MessageEvent("message", { data: structuredClone(data) }))
    })
  }

  terminate() {
    this.frame.remove()
  }

  #receive(data) {
    const event = new MessageEvent("message", { data })
    this.dispatchEvent(event)
    this.onmessage?.(event)
  }

  #load(url) {
    return new Promise((resolve, reject) => {
      const script = this.frame.contentDocument.createElement("script")
      script.src = new URL(url, document.baseURI).href
      script.onload = resolve
      script.onerror = () => reject(new Error(`cannot load ${url}`))
      this.frame.contentDocument.body.append(script)
    })
  }
}

if (location.protocol === "file:") window.Worker = FileWorker
