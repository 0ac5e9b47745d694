package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/interpreter"
)

const (
	// maxWhen is the maximum length of an expression, in characters.
	maxWhen = 1000

	// maxCost is the maximum cost of all expressions of a document, in the units of CEL, for the longest
	// parameters. Comparing a parameter with a constant costs 3, and matching a short regular expression
	// about 2,500. The cost is estimated once, when the document is saved: measuring it in each evaluation
	// would double the time.
	maxCost = 100_000

	// maxParameters is the maximum size of the parameters of a command, and so of a text in them.
	maxParameters = 32 << 10
)

// condition is a compiled expression of a rule.
type condition struct {
	program cel.Program
	cost    uint64 // maximum cost of an evaluation
}

// costs estimates the costs of expressions for the longest parameters.
type costs struct{}

// EstimateSize returns the sizes that a parameter or a tag may have.
func (costs) EstimateSize(cost.AstNode) *cost.SizeEstimate {
	return &cost.SizeEstimate{Max: maxParameters}
}

// EstimateCallCost returns nil, so that each function has its usual cost.
func (costs) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// newEnvironment returns the environment of the expressions. It has no macro but has(), so that no
// expression contains a loop.
func newEnvironment() (*cel.Env, error) {
	return cel.NewEnv(
		cel.ClearMacros(), cel.Macros(cel.HasMacro),
		cel.Variable("parameters", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("tags", cel.MapType(cel.StringType, cel.StringType)),
		cel.ParserExpressionSizeLimit(maxWhen), cel.ParserRecursionLimit(maxNesting),
	)
}

// maxNesting is the maximum nesting of an expression.
const maxNesting = 24

// environment returns the environment, which is the same for all policies and takes long to build.
var environment = sync.OnceValues(newEnvironment)

// compileWhen compiles an expression.
func compileWhen(text string) (*condition, error) {
	if utf8.RuneCountInString(text) > maxWhen {
		return nil, fmt.Errorf("must have %d characters at most", maxWhen)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("preparing CEL: %w", err)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, errors.New("is not valid CEL: " + issues.Errors()[0].Message)
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return nil, errors.New("must be a bool, such as parameters.force == true")
	}
	cost, err := env.EstimateCost(checked, costs{})
	if err != nil {
		return nil, errors.New("has a cost that is not known")
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, errors.New("cannot be evaluated")
	}
	return &condition{program, cost.Max}, nil
}

// holds evaluates a condition. The verdict is maybe if the expression fails, for example because the
// command lacks a parameter.
func (c *condition) holds(input *interpreter.ExecutionFrame) verdict {
	value, _, err := c.program.Eval(input)
	if err != nil {
		return maybe
	}
	if is, _ := value.Value().(bool); is {
		return yes
	}
	return no
}

// isNever reports whether a condition is false whatever the command is. It evaluates the condition without
// parameters and tags: a result needs none of them, and an expression that reads one fails.
func (c *condition) isNever() bool {
	value, _, err := c.program.Eval(map[string]any{})
	if err != nil {
		return false
	}
	is, isBool := value.Value().(bool)
	return isBool && !is
}

// decodeParameters decodes the parameters for an expression. Whole numbers stay whole.
func decodeParameters(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 {
		return map[string]any{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var decoded map[string]any
	if err := d.Decode(&decoded); err != nil {
		return nil, fmt.Errorf("decoding parameters: %w", err)
	}
	convertNumbers(decoded)
	return decoded, nil
}

// convertNumbers returns a decoded value with numbers that CEL knows.
func convertNumbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		if whole, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return whole
		}
		number, _ := v.Float64()
		return number
	case map[string]any:
		for name, member := range v {
			v[name] = convertNumbers(member)
		}
	case []any:
		for i, item := range v {
			v[i] = convertNumbers(item)
		}
	}
	return value
}
