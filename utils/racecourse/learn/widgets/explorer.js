// The front end of every explorer: native controls, the figure or page, and its words.
//
// The kernel holds the truth. A moved control is asked for (`asked`), and the kernel answers with the figure, the words
// and what is chosen now (`answered`). One question is on its way at a time, and there are at most four a second;
// whatever is moved meanwhile waits, and only its newest value is asked for.

const MS_BETWEEN_QUESTIONS = 250
const MS_UNTIL_NOTE = 3000
const BUSY =
  "The kernel has not answered yet. If it is busy, the figure follows. If it was restarted, run this cell again."

let nIds = 0
const newId = () => `racecourse-${Math.random().toString(36).slice(2)}-${nIds++}`

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** The row of one control. `ask(value)` is called when it is moved; `.show(value)` puts it to where the kernel says. */
function fieldRow(field, ask) {
  const id = newId()
  const row = element("div", { className: "racecourse-field" }, element("label", { htmlFor: id, textContent: field.label }))
  return { description: JSON.stringify(field), row, show: KINDS[field.kind](field, row, id, ask) }
}

const KINDS = {
  slider(field, row, id, ask) {
    const limits = { min: field.low, max: field.high, step: field.step }
    const range = element("input", { id, type: "range", ...limits })
    const number = element("input", { type: "number", ...limits })
    number.setAttribute("aria-label", `${field.label}, as a number`)
    let shown, typing = false
    range.addEventListener("input", () => {
      number.value = range.value
      ask(Number(range.value))
    })
    number.addEventListener("input", () => { typing = true })
    number.addEventListener("change", () => {
      typing = false
      if (number.value === "") number.value = shown // nothing, or no number
      else ask(Number(number.value))
    })
    row.append(range, number)
    return (value) => {
      shown = value
      range.value = value
      if (!typing) number.value = value
    }
  },

  steps(field, row, id, ask) {
    const range = element("input", { id, type: "range", min: 0, max: field.labels.length - 1, step: 1 })
    const output = element("output", { htmlFor: id })
    output.setAttribute("aria-hidden", "true") // the slider says it itself
    const say = () => {
      output.textContent = field.labels[range.value]
      range.setAttribute("aria-valuetext", field.labels[range.value])
    }
    range.addEventListener("input", () => {
      say()
      ask(Number(range.value))
    })
    row.append(range, output)
    return (value) => {
      range.value = value
      say()
    }
  },

  choice(field, row, id, ask) {
    const options = field.labels.map((label) => element("option", { textContent: label }))
    const select = element("select", { id }, ...options)
    select.addEventListener("change", () => ask(select.selectedIndex))
    row.append(select)
    return (value) => { select.selectedIndex = value }
  },

  toggle(field, row, id, ask) {
    const box = element("input", { id, type: "checkbox" })
    box.addEventListener("change", () => ask(box.checked))
    row.append(box)
    return (value) => { box.checked = value }
  },
}

/** Ask the kernel for changed values: one question at a time, and no two closer than MS_BETWEEN_QUESTIONS. */
export function questions(send, onWaiting, clock = performance, wait = setTimeout) {
  let wanted = {}
  let onItsWay = 0 // the number of the question that is not answered yet; 0 for none
  let lastNumber = 0
  let askedAt = -MS_BETWEEN_QUESTIONS
  let planned = false

  function next() {
    if (onItsWay || planned || !Object.keys(wanted).length) return
    const pause = askedAt + MS_BETWEEN_QUESTIONS - clock.now()
    if (pause > 0) {
      planned = true
      wait(() => {
        planned = false
        next()
      }, pause)
      return
    }
    askedAt = clock.now()
    onItsWay = lastNumber = send(wanted, lastNumber)
    wanted = {}
    onWaiting(true)
  }

  return {
    ask(name, value) {
      wanted[name] = value
      next()
    },
    answered(number) {
      if (number !== onItsWay) return // an answer to somebody else, or an old one
      onItsWay = 0
      onWaiting(false)
      next()
    },
    isIdle: () => !onItsWay && !Object.keys(wanted).length,
  }
}

function render({ model, el }) {
  const legend = element("legend", { textContent: model.get("label") })
  const fields = element("fieldset", {}, legend)
  const figure = element("div", { className: "racecourse-figure" })
  const words = element("p", { ariaLive: "polite" })
  const note = element("p", { className: "racecourse-note", ariaLive: "polite" })
  const frame = element("div", { className: "racecourse" }, fields, figure, words, note)
  words.setAttribute("aria-live", "polite")
  note.setAttribute("aria-live", "polite")
  frame.dataset.lmSuppressShortcuts = "true" // JupyterLab's keys: an arrow would leave the cell, `d d` delete it
  frame.addEventListener("keydown", (event) => event.stopPropagation())
  el.append(frame)

  let rows = []
  let noteTimer = 0

  const asking = questions(
    (values, last) => {
      const number = Math.max(last, model.get("answered"), model.get("asked").number ?? 0) + 1
      model.set("asked", { number, values })
      model.save_changes()
      return number
    },
    (waiting) => {
      clearTimeout(noteTimer)
      note.textContent = ""
      if (waiting) noteTimer = setTimeout(() => { note.textContent = BUSY }, MS_UNTIL_NOTE)
    },
  )

  function showFields() {
    model.get("fields").forEach((field, i) => {
      if (rows[i]?.description === JSON.stringify(field)) return
      const made = fieldRow(field, (value) => asking.ask(field.name, value))
      if (rows[i]) rows[i].row.replaceWith(made.row)
      else fields.append(made.row)
      rows[i] = made
    })
    const chosen = model.get("chosen")
    model.get("fields").forEach((field, i) => rows[i].show(chosen[field.name]))
  }

  function show() {
    if (asking.isIdle()) showFields() // else a slider would jump back under the hand that moves it
    words.textContent = model.get("words")
    const image = model.get("image")
    const page = model.get("page")
    if (image) figure.replaceChildren(element("img", { src: image, alt: model.get("words") }))
    else figure.innerHTML = page // the kernel has escaped what is not its own
  }

  const onAnswer = () => {
    asking.answered(model.get("answered"))
    show()
  }
  model.on("change:fields change:chosen change:image change:page change:words", show)
  model.on("change:answered", onAnswer)
  show()
  return () => {
    clearTimeout(noteTimer)
    model.off("change:fields change:chosen change:image change:page change:words", show)
    model.off("change:answered", onAnswer)
  }
}

export default { render }
