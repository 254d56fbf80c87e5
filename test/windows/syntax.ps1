# What in a script Windows PowerShell 5.1 does not understand. Each line of standard input is a request in JSON with `text`; the answer
# is a line that begins with ANSWER, with `findings`, `commands` (name and parameters), `functions` and `strings` (here-strings) of it.

function Get-Findings($Ast, $Tokens) {
  foreach ($node in $Ast.FindAll({ $true }, $true)) {
    $line = "line $($node.Extent.StartLineNumber)"
    switch ($node.GetType().Name) {
      'TernaryExpressionAst' { "ternary, $line" }
      'PipelineChainAst' { "&& or ||, $line" }
      'BinaryExpressionAst' { if ($node.Operator -eq 'QuestionQuestion') { "??, $line" } }
      'AssignmentStatementAst' { if ($node.Operator -eq 'QuestionQuestionEquals') { "??=, $line" } }
      'MemberExpressionAst' { if ($node.NullConditional) { "?., $line" } }
      'InvokeMemberExpressionAst' {
        if ($node.NullConditional) { "?., $line" }
        if ($node.GenericTypeArguments.Count -gt 0) { "generic method, $line" }
      }
      'IndexExpressionAst' { if ($node.NullConditional) { "?[], $line" } }
      'PipelineAst' { if ($node.Background) { "background, $line" } }
      'ScriptBlockAst' { if ($null -ne $node.CleanBlock) { "clean block, $line" } }
      'UsingStatementAst' { "using, $line" }
      'TypeDefinitionAst' { "class, $line" }
    }
  }
  foreach ($token in $Tokens) {
    $line = "line $($token.Extent.StartLineNumber)"
    if ($token.Kind -eq 'Number' -and $token.Text -match '(?i)^(0b[01]+|.*?(u|y|n|us|ul|uy|s))$' -and $token.Text -notmatch '^0x') { "number $($token.Text), $line" }
    if ($token.Kind -in 'StringExpandable', 'HereStringExpandable' -and $token.Text -match '`(e|u\{)') { "escape, $line" }
  }
}

$count = 0
while ($null -ne ($line = [Console]::In.ReadLine())) {
  $text = ($line | ConvertFrom-Json).text
  $tokens = $null
  $errors = $null
  $ast = [Management.Automation.Language.Parser]::ParseInput($text, [ref] $tokens, [ref] $errors)
  $commands = foreach ($command in $ast.FindAll({ $args[0] -is [Management.Automation.Language.CommandAst] }, $true)) {
    if ($null -eq $command.GetCommandName()) { continue }
    $given = @($command.CommandElements | Where-Object { $_ -is [Management.Automation.Language.CommandParameterAst] } | ForEach-Object { $_.ParameterName })
    , @(@($command.GetCommandName()) + $given)
  }
  $functions = $ast.FindAll({ $args[0] -is [Management.Automation.Language.FunctionDefinitionAst] }, $true)
  $strings = $ast.FindAll({ $args[0] -is [Management.Automation.Language.StringConstantExpressionAst] -and $args[0].StringConstantType -eq 'SingleQuotedHereString' }, $true)
  $compiled = foreach ($string in $strings) {
    # A class of the same name may be there from an earlier request.
    $count += 1
    $source = $string.Value -replace '(public static class \w+)', "`${1}$count"
    try { Add-Type -TypeDefinition $source -CompilerOptions '/langversion:5' -ErrorAction Stop } catch { "C# 5: $_" }
  }
  $answer = @{
    findings = @($errors | ForEach-Object { "syntax: $($_.Message)" }) + @(Get-Findings $ast $tokens) + @($compiled)
    commands = @($commands)
    functions = @($functions | ForEach-Object { $_.Name })
  }
  [Console]::Out.WriteLine('ANSWER' + (ConvertTo-Json -InputObject $answer -Depth 5 -Compress))
}
