import LianBuildKit
import LianMarkup
import LianModel
import Testing

@testable import LianReport

@Suite struct ThinningTests {
    @Test func peaksStayWhereTheyWere() {
        var points = (0..<10_000).map { (at: $0 * 1000, value: 1 + Double($0 % 7) / 10) }
        points[4321].value = 9
        points[8765].value = 0
        let few = thinned(points, to: 600)
        #expect(few.count <= 600 && few.count > 500)
        #expect(few.contains { $0 == (4_321_000, 9) } && few.contains { $0 == (8_765_000, 0) })
        #expect(zip(few, few.dropFirst()).allSatisfy { $0.at < $1.at })
    }

    @Test func fewPointsStayAsTheyAre() {
        let points = [(at: 5, value: 1.0), (at: 6, value: 2.0)]
        #expect(thinned(points, to: 600).map(\.at) == [5, 6])
        #expect(thinned([], to: 600).isEmpty)
    }

    @Test func failedAndLongStepsAreShown() {
        let steps = (0..<100).map { index in
            StepRecord(
                artifact: "a", name: "\(index)", state: index == 3 ? .failed : .done, start: index,
                duration: index == 3 ? 0 : index)
        }
        let shown = ShownSteps(steps, most: 3)
        #expect(shown.shown.map(\.name) == ["3", "98", "99"])
        #expect(shown.left.count == 97)
        #expect(ShownSteps(steps, most: 100).left.isEmpty)
    }

    /// Enough ticks to read by, and no more than fit beside each other on a telephone.
    @Test func ticksFit() {
        for length in [1, 7, 12, 99, 100, 850, 1000, 41_400, 59_999, 60_001, 3_599_000, 7_200_000, 86_400_000] {
            let axis = TimeAxis(from: 500, to: 500 + length)
            #expect((1...8).contains(axis.ticks.count), "\(length): \(axis.ticks)")
            #expect(axis.ticks.last ?? 0 <= length)
        }
        #expect(TimeAxis(from: 5, to: 5).length == 1)
        #expect(
            [0, 5, 250, 1000, 2500, 90_000, 120_000].map(Figures.tick) == [
                "0", "5 ms", "250 ms", "1 s", "2.5 s", "90 s", "2 min",
            ])
    }
}
