import LianChannel
import LianModel
import LianSystem

/// What the users of a connection ask its thread for. A job only notes what is wanted; the steps do it.
extension SessionLoop {
    func stop(_ waiter: Completion<Void>?) {
        isStopping = true
        if let waiter {
            if ending != nil { waiter.succeed(()) } else { stopWaiters.append(waiter) }
        }
    }

    func open(_ id: Int, command: String, counters: TransferCounters, _ completion: Completion<Void>) {
        if let ending { return completion.fail(ending) }
        channels.append(ChannelState(id: id, command: command, counters: counters, opener: completion))
    }

    func write(_ bytes: [UInt8], to id: Int, _ completion: Completion<Void>) {
        guard let channel = inputChannel(id, completion) else { return }
        channel.inputs.append(.bytes(bytes, sent: 0, completion))
    }

    func closeInput(of id: Int, _ completion: Completion<Void>) {
        guard let channel = inputChannel(id, completion) else { return }
        channel.inputs.append(.end(completion))
    }

    func read(from id: Int, _ completion: Completion<RemoteOutput?>) {
        guard let channel = openChannel(id, completion) else { return }
        if channel.ready.isEmpty {
            channel.readers.append(completion)
        } else {
            completion.succeed(channel.ready.removeFirst())
        }
    }

    func pump(_ id: Int, input: Int32, output: Int32, _ completion: Completion<PumpResult>) {
        guard let channel = openChannel(id, completion) else { return }
        do {
            channel.pump = try Pump(input: input, output: output, completion: completion)
            channel.wasPumped = true
        } catch {
            completion.fail(error)
        }
    }

    func close(_ id: Int, _ completion: Completion<RemoteEnd>?) {
        guard let channel = channels.first(where: { $0.id == id }), ending == nil else {
            completion?.succeed(RemoteEnd(isClean: false, exitStatus: nil, signal: nil))
            return
        }
        if case .freeing(let end) = channel.phase {
            completion?.succeed(end)
            return
        }
        if let completion { channel.closers.append(completion) }
        if !channel.isClosing { beginClosing(channel) }
    }

    func beginClosing(_ channel: ChannelState) {
        channel.failAll(RemoteChannelClosed())
        guard let library = channel.library else {
            // The channel is not open yet: it closes as soon as it is.
            if case .queued = channel.phase { answerClosers(channel, isClean: false) }
            return
        }
        if library.isAtEnd { channel.sawEnd = true }
        channel.phase =
            channel.sawEnd
            ? .awaitingPeer(until: .now + Self.endPatience) : .closing(until: .now + Self.closePatience)
    }

    private func openChannel<Value>(_ id: Int, _ completion: Completion<Value>) -> ChannelState? {
        if let ending {
            completion.fail(ending)
            return nil
        }
        guard let channel = channels.first(where: { $0.id == id }), channel.isOpen else {
            completion.fail(RemoteChannelClosed())
            return nil
        }
        return channel
    }

    /// Where a pump was given up, nobody knows how much of its input was sent: nothing else may follow.
    private func inputChannel(_ id: Int, _ completion: Completion<Void>) -> ChannelState? {
        guard let channel = openChannel(id, completion) else { return nil }
        guard !channel.wasPumped else {
            completion.fail(RemoteChannelClosed())
            return nil
        }
        return channel
    }

    /// Ends the waits of cancelled tasks. A write that libssh2 wants to be asked for again is asked for all the same.
    func sweepCancelled() {
        for channel in channels {
            if channel.opener?.isCancelled == true {
                channel.opener?.fail(CancellationError())
                channel.opener = nil
                if case .queued = channel.phase { answerClosers(channel, isClean: false) }
            }
            for reader in channel.readers where reader.isCancelled { reader.fail(CancellationError()) }
            channel.readers.removeAll(where: \.isCancelled)
            for (index, input) in channel.inputs.enumerated() where input.completion?.isCancelled == true {
                input.completion?.fail(CancellationError())
                channel.inputs[index] = input.withoutWaiter
            }
            if let pump = channel.pump, pump.isCancelled { pump.detach(CancellationError()) }
        }
    }
}
